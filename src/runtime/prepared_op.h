// An op of a block with its weights decoded and laid out, ready to run on any number of windows.
#pragma once

#include <functional>
#include <span>

#include "quern/model_spec.h"
#include "runtime/block_walk.h"

namespace quern {

// What an op keeps of the tokens of one sequence that came before: keys and values of an attention, the last inputs of
// a convolution, the state of a scan.
struct OpState {
  Matrix keys, values;
  std::vector<float> floats;
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

// `widths`: columns of the op's inputs; `positions`: how many there are at most. REQUIRES: not an EmbedOp.
PreparedOp prepare_op(const WalkContext& context, const Op& op, std::size_t positions,
                      std::span<const std::size_t> widths);

// Rows first .. first + rows - 1 of a weight, decoded by all threads.
Matrix decode_rows(const WalkContext& context, const Weight& weight, std::size_t first, std::size_t rows);

// A of a scan's recurrence, negative. Error(kInput) that names the tensor and a value under which the state would grow
// or be no number.
Matrix read_decay(const SelectiveScanOp& scan, const WeightSource& weights, const Weight& weight);

}  // namespace quern
