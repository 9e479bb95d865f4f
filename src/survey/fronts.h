// Walks that begin where models begin to differ: what is in front of a block is the same in both, and computed once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "encode/encode.h"
#include "measure/evaluate.h"
#include "measure/evaluation_setup.h"

namespace quern {

// The states of a model: fronts[b] is what enters block b (b >= 1); the last entry is the scored rows. `each`: bytes
// that one of them may keep in memory.
std::vector<ActivationStore> fronts_of(const WalkContext& context, const Windows& windows, std::uint64_t each);

// Scored rows of a model that differs from the one of `fronts` first in block `block`.
ActivationStore walk_from(const WalkContext& context, std::size_t block, const std::vector<ActivationStore>& fronts,
                          const Windows& windows, std::uint64_t memory_limit);

// The original on the windows of a survey, walked once: what it predicts from is kept.
class SurveyOriginal {
 public:
  // kFronts: they will be asked for, so that the walk keeps them from the first.
  enum class Keep { kRows, kFronts };
  // REQUIRES: the arguments outlive this.
  SurveyOriginal(const EncodeInput& encode, const Windows& text, const EvaluationSetup& evaluation,
                 Keep keep = Keep::kRows);

  const EncodeInput& input;
  const Windows& windows;
  const EvaluationSetup& setup;

  WalkContext walk() const { return {input.spec, input.source, input.pool, setup.precision}; }
  // Its scored rows. A stage of the observer where it has to be walked.
  const ActivationStore& rows();
  // As fronts_of, without the last entry, which rows() keeps. Once; walks anew where nobody said that they would be
  // kept.
  std::vector<ActivationStore> fronts();
  // Bytes that each of a model's fronts may keep in memory: those of one model, and four stores more.
  std::uint64_t store_bytes() const { return setup.memory_limit / (input.spec.blocks.size() + 5); }

 private:
  void walk_with_fronts();

  const Keep keep_;
  std::optional<ActivationStore> rows_;
  std::vector<ActivationStore> fronts_;  // until they are asked for
};

}  // namespace quern
