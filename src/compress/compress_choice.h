// What a compression chooses from its options before anything is read: scheme and container.
#pragma once

#include "compress/scheme_choice.h"
#include "optim/optimizer.h"
#include "plan/plan.h"
#include "quern/compress_options.h"

namespace quern {

// Error(kUsage) when a plan is given and something that it decides, or passes of a survey that there will not be.
void check_option_pairs(const CompressOptions& options);

// Error(kUsage) where the name cannot be one of files, in a card and in metadata; empty is none.
void check_name(const std::string& name);

// The importance matrix, and the folder of Hessians, of the statistics that were given; empty: there is none.
std::filesystem::path given_moments(const CompressOptions& options);
std::filesystem::path given_hessians(const CompressOptions& options);

// The one that was named; null: whichever measures better. Error(kUsage) where it needs what there will not be.
const Optimizer* optimizer_for(const CompressOptions& options);

// Of the plan that was given (null: none), or what the options ask for. Error(kInput) where a text is to be run through
// a model that nothing recognises.
SchemeChoice scheme_for(const CompressOptions& options, const Plan* given, const OpenModel& source);

// The container of the plan that was given, the one asked for, or the scheme's. Error(kUsage) where a size is asked for
// that cannot be kept to.
const Format& format_for(const CompressOptions& options, const Plan* given, const Scheme& scheme);

}  // namespace quern
