// An op of a block with its weights decoded and laid out, ready to run on any number of windows.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace quern {

// What an op keeps of the tokens of one sequence that came before: keys and values of an attention, the last inputs of
// a convolution, the state of a scan.
struct OpState {
  Matrix keys, values;
  std::size_t first = 0;  // position of the first row of keys and values
  std::vector<float> floats = {};
};

// Reports the rows that an op routed to one expert: `weight` counts the op's weights.
using RoutedHook = std::function<void(std::size_t weight, std::size_t expert, MatrixView rows)>;

// Where the rows of a call stand. A window of its own: no state, position 0.
struct Chunk {
  std::size_t position = 0;  // of the first row
  OpState* state = nullptr;  // made by PreparedOp::begin; updated
  const RoutedHook* routed = nullptr;
};

struct PreparedOp {
  std::size_t width = 0;  // columns of the output
  // Safe from several threads with a state each. `out` overlaps no input.
  std::function<void(std::span<const MatrixView> inputs, MutableMatrixView out, const Chunk& chunk)> execute;
  // State before the first of at most `positions` tokens; empty: the op keeps none.
  std::function<OpState(std::size_t positions)> begin = {};
};

}  // namespace quern
