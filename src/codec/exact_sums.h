// Sums of floats that do not depend on their order: one integer for each exponent.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace quern {

// Sum and sum of squares of the finite floats that were added; others are passed over. REQUIRES: fewer than 2^32 added.
class ExactSums {
 public:
  void add(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t exponent = bits >> 23 & 255;
    if (exponent == 255) return;
    const auto magnitude = static_cast<std::int64_t>((bits & 0x7fffff) | (exponent ? 0x800000 : 0));
    sums_[exponent] += bits >> 31 ? -magnitude : magnitude;
    squares_[exponent] += static_cast<std::uint64_t>(magnitude * magnitude) >> kDropped;
    ++count_;
  }
  void merge(const ExactSums& other) {
    for (std::size_t e = 0; e < sums_.size(); ++e) {
      sums_[e] += other.sums_[e];
      squares_[e] += other.squares_[e];
    }
    count_ += other.count_;
  }

  std::uint64_t count() const { return count_; }
  // 0 of none.
  double mean() const {
    double sum = 0;
    for (std::size_t e = 0; e < sums_.size(); ++e) sum += std::ldexp(static_cast<double>(sums_[e]), unit(e));
    return count_ ? sum / static_cast<double>(count_) : 0;
  }
  // Mean squared distance from `centre`, to about 2^-31 of the mean square.
  double variance(double centre) const {
    double sum = 0;
    for (std::size_t e = 0; e < squares_.size(); ++e)
      sum += std::ldexp(static_cast<double>(squares_[e]), 2 * unit(e) + kDropped);
    if (count_ == 0) return 0;
    const double found = sum / static_cast<double>(count_) - centre * (2 * mean() - centre);
    return found > 0 ? found : 0;
  }

 private:
  // Of the 48 bits of a square, so that sums of them stay within 64.
  static constexpr int kDropped = 16;
  static int unit(std::size_t exponent) { return static_cast<int>(exponent ? exponent : 1) - 150; }

  std::array<std::int64_t, 256> sums_{};
  std::array<std::uint64_t, 256> squares_{};
  std::uint64_t count_ = 0;
};

}  // namespace quern
