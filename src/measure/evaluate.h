// Original against candidate on a text: perplexity, divergence, agreement.
#pragma once

#include <algorithm>
#include <cstdint>

#include "measure/divergence.h"
#include "quern/observer.h"
#include "runtime/block_walk.h"

namespace quern {

// Scored positions of a window, as llama-perplexity chooses them: the second half predicts, each the token after it.
struct ScoredRange {
  std::size_t first = 0, count = 0;
  explicit ScoredRange(std::size_t length)
      : first(length / 2), count(length - 1 - length / 2) {}  // REQUIRES: length > 0
};

// What is in front of the logits at the scored positions of `hidden` (after run_head_norm): [windows, scored, width].
ActivationStore scored_rows(const ActivationStore& hidden, std::uint64_t memory_limit);

// The walk from ids to scored rows, kept so that several candidates can be compared with one original. At most 1.5
// times `memory_limit` bytes of states are in memory while it runs, half of it afterwards. Reports one step a block.
// Error(kInput) when windows are too short for a scored position (3 tokens).
ActivationStore final_hidden(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit,
                             Observer& observer);

// Applies both heads to the scored rows of both models, a tile of the vocabulary at a time.
// Error(kInput) when the vocabularies differ in size.
TokenScores compare(const WalkContext& original, const ActivationStore& original_rows, const WalkContext& candidate,
                    const ActivationStore& candidate_rows, const Windows& windows);

// The logits of one model, summed up over the vocabulary for each scored token.
std::vector<LogitSums> logit_sums(const WalkContext& model, const ActivationStore& rows, const Windows& windows);

// One model alone, as its own original.
TokenScores score(const WalkContext& model, const ActivationStore& rows, const Windows& windows);

// Vocabulary rows a tile of logits: 255 x 2048 logits of each model are 2 MB.
inline constexpr std::size_t kHeadTileRows = 2048;

// Runs body(first row, rows) for each tile of the vocabulary.
template <typename Body>
void for_each_head_tile(const ModelSpec& spec, Body body) {
  const std::size_t vocab = spec.extent("vocab");
  for (std::size_t row = 0; row < vocab; row += kHeadTileRows) body(row, std::min(kHeadTileRows, vocab - row));
}
// Of one window: [scored rows, ids of the tile].
Matrix tile_logits(const Linear& tile, const ActivationStore& rows, std::size_t window);

// Error(kInput) when they differ in size.
void check_same_vocabulary(const WalkContext& original, const WalkContext& candidate);

}  // namespace quern
