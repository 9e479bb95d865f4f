// The last block: everything before the logits window by window, the logits tile by tile.
#include "runtime/head.h"

#include <algorithm>

#include "base/fail.h"
#include "kernel/elementwise.h"
#include "runtime/block_program.h"
#include "runtime/decode_weight.h"

namespace quern {
namespace {

constexpr std::size_t kRowsPerTile = 4096;

}  // namespace

void run_head_norm(const WalkContext& context, ActivationStore& hidden, const InputHook& hook) {
  const Block& block = context.spec.blocks.back();
  const Op& last = context.spec.head_op();
  const std::span<const Op> ops = std::span(block.ops).first(block.ops.size() - 1);
  const BlockProgram program(context, ops, "hidden", last.inputs[0], hidden.length(), hidden.width());
  pass_windows(context, program, block.name, ops, hidden, hidden, hook);
  if (!hook) return;
  context.pool.run(hidden.windows(), [&](std::size_t window) {
    Matrix input(hidden.length(), hidden.width());
    hidden.load(window, input.view());
    hook(context.spec.head(), 0, window, input.view());
  });
}

Matrix head_rows(const WalkContext& context, std::size_t first, std::size_t rows) {
  const Weight& head = context.spec.head();
  Matrix weights = decode_rows(context, head, first, rows);
  if (!all_finite(weights.flat()))
    fail(ErrorCode::kInput, "{}: tensor {} holds a NaN or infinity, first in row {}", context.weights.name(),
         head.tensor, first_bad_row(context.weights, head));
  return weights;
}

Linear head_tile(const WalkContext& context, std::size_t first, std::size_t rows) {
  return Linear(head_rows(context, first, rows).view(), context.precision);
}

Matrix logits_of_window(const WalkContext& context, const ActivationStore& hidden, std::size_t window) {
  Matrix input(hidden.length(), hidden.width());
  hidden.load(window, input.view());
  const std::size_t vocab = context.spec.head().layout().rows;
  Matrix logits(hidden.length(), vocab);
  for (std::size_t first = 0; first < vocab; first += kRowsPerTile) {
    const std::size_t rows = std::min(kRowsPerTile, vocab - first);
    Matrix part(input.rows(), rows);
    head_tile(context, first, rows).apply(input.view(), part.view());
    for (std::size_t i = 0; i < part.rows(); ++i)
      std::ranges::copy(part.row(i), logits.row(i).begin() + static_cast<std::ptrdiff_t>(first));
  }
  return logits;
}

}  // namespace quern
