// Rotary frequencies: plain, linear scaling, Llama 3.1's scaling by wavelength, and YaRN as transformers computes it.
#include "model/rope_frequencies.h"

#include <algorithm>
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

// The dimension whose frequency turns `turns` times within the original context.
double yarn_dimension(double turns, double dimensions, double log_base, const RopeScaling& scaling) {
  return dimensions * std::log(scaling.original_context / (turns * 2 * std::numbers::pi)) / (2 * log_base);
}

void set_yarn_divisors(const std::vector<double>& frequencies, const RopeScaling& scaling,
                       std::vector<double>& divisors) {
  if (frequencies.size() < 2) return;
  const double dimensions = 2 * static_cast<double>(frequencies.size()),
               log_base = -std::log(frequencies[1]) * dimensions / 2;
  double low = yarn_dimension(scaling.beta_fast, dimensions, log_base, scaling),
         high = yarn_dimension(scaling.beta_slow, dimensions, log_base, scaling);
  if (scaling.bounds == RopeScaling::Bounds::kTruncated) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dimensions - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double kept = 1 - std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    divisors[i] = 1 / ((1 - kept) / scaling.factor + kept);
  }
}

}  // namespace

double yarn_attention_factor(double factor) { return factor <= 1 ? 1 : 0.1 * std::log(factor) + 1; }

std::vector<double> rope_frequencies(std::uint32_t head_dim, double base) {
  std::vector<double> frequencies(head_dim / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / head_dim);
  }
  return frequencies;
}

std::vector<double> rope_divisors(const std::vector<double>& frequencies, const RopeScaling& scaling) {
  std::vector<double> divisors(frequencies.size(), 1);
  if (scaling.kind == RopeScaling::Kind::kYarn) set_yarn_divisors(frequencies, scaling, divisors);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (scaling.kind == RopeScaling::Kind::kLinear) divisors[i] = scaling.factor;
    if (scaling.kind == RopeScaling::Kind::kLlama3) divisors[i] = llama3_divisor(frequencies[i], scaling);
  }
  return divisors;
}

}  // namespace quern
