// A description op by op: what follows from the rows of all its operations.
#pragma once

#include <cstdint>
#include <vector>

#include "model/op_traits.h"

namespace quern {

// Every op of a block of the spec, in order. Error(kInternal) when a value is read before it is made.
std::vector<OpSite> sites_of(const ModelSpec& spec, const Block& block);

// What is kept of one sequence with room for `positions` tokens.
StateSize state_size(const ModelSpec& spec, std::uint64_t positions);

// Whether any op sends rows to matrices of its own choice.
bool routes_rows(const ModelSpec& spec);

// Error(kInternal) unless the first op, and no other, takes token ids, and the last one is the product that gives the
// logits: one weight, no bias. What ModelSpec::embedding_op and head_op rely on.
void check_ends(const ModelSpec& spec);

}  // namespace quern
