// The walk through the blocks, then both heads in lockstep.
#include "measure/evaluate.h"

#include "base/fail.h"
#include "base/interruption.h"
#include "runtime/head.h"

namespace quern {
namespace {

void check_length(const Windows& windows) {
  if (windows.length < 3)
    fail(ErrorCode::kInput, "windows of {} tokens have no position to score; take at least 3", windows.length);
}

TokenScores scores_of(const std::vector<TokenDivergence>& tokens, std::size_t per_window) {
  TokenScores scores{.per_window = per_window, .original_nll = {}, .candidate_nll = {}, .kld = {}, .same_top = {}};
  for (const TokenDivergence& token : tokens) {
    scores.original_nll.push_back(token.original_nll());
    scores.candidate_nll.push_back(token.candidate_nll());
    scores.kld.push_back(token.kld());
    scores.same_top.push_back(token.same_top());
  }
  return scores;
}

}  // namespace

void check_same_vocabulary(const WalkContext& original, const WalkContext& candidate) {
  const std::uint64_t a = original.spec.extent("vocab"), b = candidate.spec.extent("vocab");
  if (a != b)
    fail(ErrorCode::kInput, "the models cannot be compared: the original has {} tokens, the candidate {}", a, b);
}

Matrix tile_logits(const Linear& tile, const ActivationStore& rows, std::size_t window) {
  Matrix input(rows.length(), rows.width()), output(rows.length(), tile.outputs());
  rows.load(window, input.view());
  tile.apply(input.view(), output.view());
  return output;
}

ActivationStore scored_rows(const ActivationStore& hidden, std::uint64_t memory_limit) {
  const ScoredRange scored(hidden.length());
  ActivationStore rows(hidden.windows(), scored.count, hidden.width(), memory_limit);
  Matrix window(hidden.length(), hidden.width());
  for (std::size_t w = 0; w < hidden.windows(); ++w) {
    hidden.load(w, window.view());
    rows.save(w, {window.row(scored.first).data(), scored.count, hidden.width(), hidden.width()});
  }
  return rows;
}

ActivationStore final_hidden(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit,
                             Observer& observer) {
  check_length(windows);
  ActivationStore hidden = embed_windows(context, windows, memory_limit);
  for (std::size_t b = 1; b < context.spec.blocks.size(); ++b) {
    check_interrupted(observer);
    if (b + 1 < context.spec.blocks.size())
      run_block(context, b, hidden);
    else
      run_head_norm(context, hidden);
    observer.advance(context.spec.blocks[b].name);
  }
  return scored_rows(hidden, memory_limit / 2);
}

TokenScores compare(const WalkContext& original, const ActivationStore& original_rows, const WalkContext& candidate,
                    const ActivationStore& candidate_rows, const Windows& windows) {
  check_same_vocabulary(original, candidate);
  const ScoredRange scored(windows.length);
  std::vector<TokenDivergence> tokens(windows.count() * scored.count);
  for_each_head_tile(original.spec, [&](std::size_t row, std::size_t rows) {
    const Linear p_tile = head_tile(original, row, rows), q_tile = head_tile(candidate, row, rows);
    original.pool.run(windows.count(), [&](std::size_t w) {
      const Matrix p = tile_logits(p_tile, original_rows, w), q = tile_logits(q_tile, candidate_rows, w);
      for (std::size_t t = 0; t < scored.count; ++t)
        tokens[w * scored.count + t].add(p.row(t), q.row(t), static_cast<std::int32_t>(row),
                                         windows.window(w)[scored.first + t + 1]);
    });
  });
  return scores_of(tokens, scored.count);
}

std::vector<LogitSums> logit_sums(const WalkContext& model, const ActivationStore& rows, const Windows& windows) {
  const ScoredRange scored(windows.length);
  std::vector<LogitSums> sums(windows.count() * scored.count);
  for_each_head_tile(model.spec, [&](std::size_t first, std::size_t count) {
    const Linear tile = head_tile(model, first, count);
    model.pool.run(windows.count(), [&](std::size_t w) {
      const Matrix logits = tile_logits(tile, rows, w);
      for (std::size_t t = 0; t < scored.count; ++t)
        sums[w * scored.count + t].add(logits.row(t), static_cast<std::int32_t>(first),
                                       windows.window(w)[scored.first + t + 1]);
    });
  });
  return sums;
}

TokenScores score(const WalkContext& model, const ActivationStore& rows, const Windows& windows) {
  std::vector<TokenDivergence> tokens;
  for (const LogitSums& sums : logit_sums(model, rows, windows)) tokens.emplace_back(sums);
  return scores_of(tokens, ScoredRange(windows.length).count);
}

}  // namespace quern
