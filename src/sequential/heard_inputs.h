// What the matrices of a block multiply: in a model whose matrices in front are compressed, and in the original beside
// it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/hessian.h"
#include "calib/hessian_passes.h"
#include "runtime/block_walk.h"

namespace quern {

// Weights, and a text's hidden states in front of a block.
struct TextWalk {
  WalkContext context;
  const ActivationStore& hidden;
};

// Of one input group.
struct HeardInputs {
  Hessian hessian;            // E[x x^T]
  std::vector<double> cross;  // E[x_original x^T], row-major [columns, columns]; empty: no original was heard
};

// By group. The walks stay where they are: the ops of the block run as far as the last of the groups. `original`:
// beside `walk`, or null. The same for any number of threads. REQUIRES: no group is of a mixture.
std::map<std::string, HeardInputs> heard_inputs(std::size_t block, const std::vector<InputGroup>& groups,
                                                const TextWalk& walk, const TextWalk* original);

// Memory that heard_inputs takes for one group beside both walks, and what follows from it until its matrices are
// moved.
std::uint64_t heard_bytes(std::uint64_t columns, std::size_t window_length);

}  // namespace quern
