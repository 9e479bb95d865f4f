// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "quern/generate.h"

namespace quern {

// Error(kUsage) that names an option out of its range.
void check(const SamplingOptions& options);

struct TokenChance {
  std::uint32_t id = 0;
  double probability = 0;
  bool operator==(const TokenChance&) const = default;
};

// The tokens among which the choice is made; probabilities sum to one. Of equal logits the smaller id comes first.
// The same on every machine. -infinity is a token that is never chosen. Error(kInput) for NaN and +infinity, and when
// no token is left.
std::vector<TokenChance> sampling_chances(const SamplingOptions& options, std::span<const float> logits);

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);

  // One random number a token, none at temperature 0: the sequence for a seed depends on nothing but the logits.
  std::uint32_t sample(std::span<const float> logits);

 private:
  SamplingOptions options_;
  Random random_;
};

}  // namespace quern
