// Rotary frequencies and their scaling.
#pragma once

#include <cstdint>
#include <vector>

namespace quern {

// Stretching of positions beyond the length a model was first trained on.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kLlama3, kYarn };
  Kind kind = Kind::kNone;
  double factor = 1;
  // Only of kLlama3: wavelengths below original_context / high_freq_factor positions stay, those above
  // original_context / low_freq_factor are divided by `factor`, between them it is interpolated.
  double low_freq_factor = 1, high_freq_factor = 4;
  double original_context = 8192;
  // Only of kYarn: frequencies that turn more than beta_fast times within the original context stay, those that turn
  // less than beta_slow times are divided by `factor`, between them it is interpolated over the dimensions, whose
  // bounds are whole where they are truncated. Queries and keys are multiplied by attention_factor each.
  double beta_fast = 32, beta_slow = 1, attention_factor = 1;
  enum class Bounds { kTruncated, kExact } bounds = Bounds::kTruncated;
};

// What YaRN multiplies queries and keys by where nothing else is said: 0.1 ln(factor) + 1.
// Source: Peng et al., YaRN (arXiv 2309.00071), equation 22.
double yarn_attention_factor(double factor);

// base^(-2i / head_dim), [head_dim / 2] radians per position, unscaled.
std::vector<double> rope_frequencies(std::uint32_t head_dim, double base);
// What the scaling divides each of them by (transformers' modeling_rope_utils; Llama 3.1).
std::vector<double> rope_divisors(const std::vector<double>& frequencies, const RopeScaling& scaling);

}  // namespace quern
