// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace quern {

// Applied in llama.cpp's order: top_k, top_p, min_p, temperature. The defaults are llama.cpp's, too.
struct SamplingOptions {
  double temperature = 0.8;  // 0: always the most probable token
  std::uint32_t top_k = 40;  // only the k most probable; 0: all
  double top_p = 0.95;       // only the most probable that together reach p, at least one; 1: all
  double min_p = 0.05;       // only those at least so probable in relation to the most probable; 0: all
  std::uint64_t seed = 0;
};

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
