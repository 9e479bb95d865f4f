// Rotary frequencies: plain, linear scaling, and Llama 3.1's scaling by wavelength.
#include "model/rope_frequencies.h"

#include <cmath>
#include <numbers>

namespace quern {
namespace {

double llama3_divisor(double frequency, const RopeScaling& scaling) {
  const double turns = scaling.original_context * frequency / (2 * std::numbers::pi);  // within the original context
  if (turns > scaling.high_freq_factor) return 1;
  if (turns < scaling.low_freq_factor) return scaling.factor;
  const double smooth = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  return 1 / ((1 - smooth) / scaling.factor + smooth);
}

}  // namespace

std::vector<double> rope_frequencies(std::uint32_t head_dim, double base) {
  std::vector<double> frequencies(head_dim / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / head_dim);
  }
  return frequencies;
}

std::vector<double> rope_divisors(const std::vector<double>& frequencies, const RopeScaling& scaling) {
  std::vector<double> divisors(frequencies.size(), 1);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (scaling.kind == RopeScaling::Kind::kLinear) divisors[i] = scaling.factor;
    if (scaling.kind == RopeScaling::Kind::kLlama3) divisors[i] = llama3_divisor(frequencies[i], scaling);
  }
  return divisors;
}

}  // namespace quern
