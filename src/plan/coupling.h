// Matrices that must have one number format, since programs that load the container make one matrix of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace quern {

using Coupling = std::vector<std::size_t>;  // steps of a plan, at least two, in order

// The sets of such matrices, none of them in two: by Format::joined. Vectors and what keeps_precision() belong to none.
std::vector<Coupling> couplings(const Format& format, const ModelSpec& spec, const ExportMap& names);

// Indices into `steps` of those that are in one set, or of one step that is in none; in the order of their first ones.
std::vector<std::vector<std::size_t>> coupled_together(std::span<const std::size_t> steps,
                                                       std::span<const Coupling> couplings);

// Whether the steps of a set have one number format; all that are not packed count as one.
bool is_kept(const Coupling& coupling, const Plan& plan);

// The tensors of a set with their number formats, for people.
std::string describe(const Coupling& coupling, const Plan& plan);

// What keeps programs from loading a plan's files, and what to do, for people: sets that have several number formats,
// and number formats that they do not load beside each other.
std::vector<std::string> loading_notes(const Plan& plan, const Format& format, const std::vector<Coupling>& coupled);

}  // namespace quern
