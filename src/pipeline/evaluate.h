// Original against candidate on a text: perplexity, divergence, agreement.
#pragma once

#include <cstdint>

#include "pipeline/divergence.h"
#include "quern/observer.h"
#include "runtime/block_walk.h"

namespace quern {

// Hidden states in front of the logits, kept so that several candidates can be compared with one original.
// Reports one step a block.
ActivationStore final_hidden(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit, Observer& observer);

// Applies both heads to both hidden states, a tile of the vocabulary at a time. Scores the second half of every window as
// llama-perplexity does: positions length/2 .. length - 2 predict the token after them.
// Error(kInput) when the vocabularies differ in size.
TokenScores compare(const WalkContext& original, const ActivationStore& original_hidden, const WalkContext& candidate,
                    const ActivationStore& candidate_hidden, const Windows& windows);

// What an evaluation was made with, for reports.
struct EvaluationSetup {
  Precision precision = Precision::kF32;
  std::uint64_t memory_limit = std::uint64_t{1} << 30;  // bytes of hidden states kept in memory
};

}  // namespace quern
