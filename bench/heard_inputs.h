// What the matrices of a block multiply: in a model whose blocks in front are compressed, and in the original beside
// it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/hessian.h"
#include "calib/hessian_passes.h"
#include "runtime/block_walk.h"

namespace quern {

// Weights, and how far through them a text has got.
struct TextWalk {
  WalkContext context;
  ActivationStore hidden;
};

// Of one input group.
struct HeardInputs {
  Hessian hessian;            // E[x x^T]
  std::vector<double> cross;  // E[x_original x^T], row-major [columns, columns]; empty: no original was heard
};

// By group. The walks stay where they are. `original`: beside `walk`, or null. REQUIRES: no group is of a mixture.
std::map<std::string, HeardInputs> heard_inputs(std::size_t block, const std::vector<InputGroup>& groups,
                                                const TextWalk& walk, const TextWalk* original);

}  // namespace quern
