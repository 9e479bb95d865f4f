// The last block: everything before the logits window by window, the logits tile by tile.
#include "runtime/head.h"

#include <algorithm>

#include "kernel/elementwise.h"
#include "quern/error.h"
#include "runtime/block_program.h"
#include "runtime/decode_weight.h"

namespace quern {
namespace {

constexpr std::size_t kRowsPerTile = 4096;

const Op& final_op(const ModelSpec& spec) {
  const Block& block = spec.blocks.back();
  ensure(!block.ops.empty() && std::holds_alternative<LinearOp>(block.ops.back().kind) &&
             block.ops.back().weights.size() == 1 && block.ops.back().inputs.size() == 1,
         "block {} does not end with the product that gives the logits", block.name);
  return block.ops.back();
}

const Weight& head_weight(const ModelSpec& spec) { return spec.weights[final_op(spec).weights[0]]; }

}  // namespace

void run_head_norm(const WalkContext& context, ActivationStore& hidden, const InputHook& hook) {
  const Block& block = context.spec.blocks.back();
  const Op& last = final_op(context.spec);
  const std::span<const Op> ops = std::span(block.ops).first(block.ops.size() - 1);
  const BlockProgram program(context, ops, "hidden", last.inputs[0], hidden.length(), hidden.width());
  pass_windows(context, program, block.name, ops, hidden, hidden, hook);
  if (!hook) return;
  context.pool.run(hidden.windows(), [&](std::size_t window) {
    Matrix input(hidden.length(), hidden.width());
    hidden.load(window, input.view());
    hook(head_weight(context.spec), 0, window, input.view());
  });
}

Matrix head_rows(const WalkContext& context, std::size_t first, std::size_t rows) {
  const Weight& head = head_weight(context.spec);
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
  const std::size_t vocab = head_weight(context.spec).layout().rows;
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
