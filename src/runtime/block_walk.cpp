// The embedding, and one block after another over all windows.
#include "runtime/block_walk.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "kernel/elementwise.h"
#include "runtime/block_program.h"

namespace quern {
namespace {

constexpr const char* kHidden = "hidden";

void check_ids(const Windows& windows, std::uint64_t vocabulary) {
  for (std::size_t i = 0; i < windows.ids.size(); ++i) {
    const std::int32_t id = windows.ids[i];
    if (id < 0 || static_cast<std::uint64_t>(id) >= vocabulary)
      fail(ErrorCode::kInput,
           "token {} of window {} is {}, but the model's vocabulary has {} entries: is this its tokenizer?",
           i % windows.length, i / windows.length, id, vocabulary);
  }
}

}  // namespace

// Neighbouring ids are read together.
void embed_rows(const Weights& weights, const Weight& weight, std::span<const std::int32_t> ids,
                MutableMatrixView out) {
  std::vector<std::int32_t> distinct(ids.begin(), ids.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  Matrix rows(distinct.size(), out.cols);
  for (std::size_t begin = 0, end; begin < distinct.size(); begin = end) {
    end = begin + 1;
    while (end < distinct.size() && distinct[end] == distinct[end - 1] + 1) ++end;
    weights.read_rows(weight, static_cast<std::size_t>(distinct[begin]),
                      {rows.row(begin).data(), end - begin, out.cols, out.cols});
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto at = std::lower_bound(distinct.begin(), distinct.end(), ids[i]) - distinct.begin();
    std::ranges::copy(rows.row(static_cast<std::size_t>(at)), out.row(i).begin());
  }
}

ActivationStore embed_windows(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit) {
  const Block& block = context.spec.blocks.front();
  const Weight& weight = context.spec.embedding();
  const RowLayout table = weight.layout();
  check_ids(windows, table.rows);
  const std::span<const Op> rest = std::span(block.ops).subspan(1);
  const BlockProgram program(context, rest, context.spec.embedding_op().output, kHidden, windows.length, table.cols);

  ActivationStore embedded(windows.count(), windows.length, table.cols, memory_limit);
  std::vector<char> bad(windows.count(), 0);
  context.pool.run(windows.count(), [&](std::size_t window) {
    Matrix rows(windows.length, table.cols);
    embed_rows(context.weights, weight, windows.window(window), rows.view());
    bad[window] = !all_finite(rows.flat());
    embedded.save(window, rows.view());
  });
  if (std::ranges::find(bad, 1) != bad.end())
    fail(ErrorCode::kInput, "{}: tensor {} holds a NaN or infinity, first in row {}", context.weights.name(),
         weight.tensor, first_bad_row(context.weights, weight));
  if (rest.empty()) return embedded;
  ActivationStore hidden(windows.count(), windows.length, program.width(), memory_limit);
  pass_windows(context, program, block.name, rest, embedded, hidden, {});
  return hidden;
}

void run_block(const WalkContext& context, std::size_t block, ActivationStore& hidden, const InputHook& hook) {
  run_block(context, block, hidden, hidden, hook);
}

void run_block(const WalkContext& context, std::size_t block, const ActivationStore& from, ActivationStore& to,
               const InputHook& hook) {
  ensure(block > 0 && block + 1 < context.spec.blocks.size(), "run_block: {} of {} blocks", block,
         context.spec.blocks.size());
  const Block& ops = context.spec.blocks[block];
  const BlockProgram program(context, ops.ops, kHidden, kHidden, from.length(), from.width());
  pass_windows(context, program, ops.name, ops.ops, from, to, hook);
}

}  // namespace quern
