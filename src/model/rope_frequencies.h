// Rotary frequencies and their scaling.
#pragma once

#include <cstdint>
#include <vector>

namespace quern {

// Stretching of positions beyond the length a model was first trained on.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1;
  // Only of kLlama3: wavelengths below original_context / high_freq_factor positions stay, those above
  // original_context / low_freq_factor are divided by `factor`, between them it is interpolated.
  double low_freq_factor = 1, high_freq_factor = 4;
  double original_context = 8192;
};

// base^(-2i / head_dim), [head_dim / 2] radians per position, unscaled.
std::vector<double> rope_frequencies(std::uint32_t head_dim, double base);
// What the scaling divides each of them by (transformers' modeling_rope_utils; Llama 3.1).
std::vector<double> rope_divisors(const std::vector<double>& frequencies, const RopeScaling& scaling);

}  // namespace quern
