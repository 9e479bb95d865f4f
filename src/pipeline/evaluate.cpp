// The walk through the blocks, then both heads in lockstep.
#include "pipeline/evaluate.h"

#include <algorithm>

#include "quern/error.h"
#include "runtime/head.h"

namespace quern {
namespace {

constexpr std::size_t kTileRows = 2048;  // vocabulary rows a tile: 255 x 2048 logits of each model are 2 MB

void check_same_vocabulary(const WalkContext& original, const WalkContext& candidate) {
  const std::uint64_t a = original.spec.extent("vocab"), b = candidate.spec.extent("vocab");
  if (a != b) fail(ErrorCode::kInput, "the models cannot be compared: the original has {} tokens, the candidate {}", a, b);
}

// Scored rows of one window.
Matrix scored_rows(const ActivationStore& hidden, std::size_t window) {
  Matrix all(hidden.length(), hidden.width());
  hidden.load(window, all.view());
  const std::size_t first = hidden.length() / 2, count = hidden.length() - 1 - first;
  Matrix rows(count, hidden.width());
  std::copy_n(all.row(first).data(), rows.flat().size(), rows.flat().data());
  return rows;
}

}  // namespace

ActivationStore final_hidden(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit, Observer& observer) {
  ActivationStore hidden = embed_windows(context, windows, memory_limit);
  for (std::size_t b = 1; b < context.spec.blocks.size(); ++b) {
    check_interrupted(observer);
    if (b + 1 < context.spec.blocks.size())
      run_block(context, b, hidden);
    else
      run_head_norm(context, hidden);
    observer.advance(context.spec.blocks[b].name);
  }
  return hidden;
}

TokenScores compare(const WalkContext& original, const ActivationStore& original_hidden, const WalkContext& candidate,
                    const ActivationStore& candidate_hidden, const Windows& windows) {
  check_same_vocabulary(original, candidate);
  const std::size_t first = windows.length / 2, per_window = windows.length - 1 - first, vocab = original.spec.extent("vocab");
  std::vector<TokenDivergence> tokens(windows.count() * per_window);
  for (std::size_t row = 0; row < vocab; row += kTileRows) {
    const std::size_t rows = std::min(kTileRows, vocab - row);
    const Linear p_tile = head_tile(original, row, rows), q_tile = head_tile(candidate, row, rows);
    original.pool.run(windows.count(), [&](std::size_t w) {
      Matrix p(per_window, rows), q(per_window, rows);
      p_tile.apply(scored_rows(original_hidden, w).view(), p.view());
      q_tile.apply(scored_rows(candidate_hidden, w).view(), q.view());
      for (std::size_t t = 0; t < per_window; ++t)
        tokens[w * per_window + t].add(p.row(t), q.row(t), static_cast<std::int32_t>(row), windows.window(w)[first + t + 1]);
    });
  }
  TokenScores scores{.per_window = per_window, .original_nll = {}, .candidate_nll = {}, .kld = {}, .same_top = {}};
  for (const TokenDivergence& token : tokens) {
    scores.original_nll.push_back(token.original_nll());
    scores.candidate_nll.push_back(token.candidate_nll());
    scores.kld.push_back(token.kld());
    scores.same_top.push_back(token.same_top());
  }
  return scores;
}

}  // namespace quern
