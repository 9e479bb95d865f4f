// Float arithmetic written so that compilers vectorise it and every compiler gets the same bits: sums and maxima run in
// kMathLanes fixed lanes, and the exponential is a polynomial.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quern {

inline constexpr std::size_t kMathLanes = 16;

// e^x to within 2e-7 relative for |x| <= 87; x is clamped to that range. NaN for NaN and infinities.
// x = n ln 2 + r with |r| <= ln(2) / 2, and e^r by the polynomial of Cephes' expf (Moshier 1989).
inline float lane_exp(float x) noexcept {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  // Clamped as an integer: a comparison of floats may trap, which keeps g++ from vectorising the loop around it.
  constexpr std::uint32_t kLimit = std::bit_cast<std::uint32_t>(87.0f), kSign = 0x80000000u;
  const float poison = x - x;  // 0, or NaN
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), magnitude = bits & ~kSign;
  x = std::bit_cast<float>((magnitude < kLimit ? magnitude : kLimit) | (bits & kSign));
  const float shifted = x * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e = (p * (r * r) + r) + 1.0f;
  return e * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127u) << 23) + poison;
}

// 2^(a * b) to 2e-7 relative for a * b within [-126.5, 127]; NaN for NaN. Fused multiply-adds are written out, so every
// compiler rounds at the same places. 2^f = 1 + f q(f) on |f| <= 1/2, q by minimax of the relative error (Lawson's
// iteration), so that the error vanishes with f: a state that decays slowly adds it up over many tokens.
inline float lane_exp2_product(float a, float b) noexcept {
  constexpr float kRound = 12582912.0f;  // as in lane_exp
  const float shifted = __builtin_fmaf(a, b, kRound);
  const float f = __builtin_fmaf(a, b, kRound - shifted);
  float p = 0x1.5bba16p-10f;
  p = __builtin_fmaf(p, f, 0x1.3cea88p-7f);
  p = __builtin_fmaf(p, f, 0x1.c6b752p-5f);
  p = __builtin_fmaf(p, f, 0x1.ebf9bcp-3f);
  p = __builtin_fmaf(p, f, 0x1.62e42ap-1f);
  p = __builtin_fmaf(p, f, 1.0f);
  return p * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127u) << 23);
}

// ln(1 + e^x) to 4e-7 relative for x >= -10, 2e-6 for x >= -87; smaller x as -87. For x > 17 that is x to the last bit
// (PyTorch switches at 20). NaN for NaN and -infinity.
// ln(1 + u) = 2 atanh(w) with u = e^-|x| and w = u / (2 + u) <= 1/3, by the series of atanh.
inline float lane_softplus(float x) noexcept {
  constexpr std::uint32_t kLimit = std::bit_cast<std::uint32_t>(87.0f);
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) & 0x7fffffffu;
  const float magnitude = std::bit_cast<float>(bits), capped = std::bit_cast<float>(bits < kLimit ? bits : kLimit);
  const float u = lane_exp2_product(capped, -1.44269504f), w = u / (2.0f + u), square = w * w;
  float series = 1.0f / 15;
  series = __builtin_fmaf(series, square, 1.0f / 13);
  series = __builtin_fmaf(series, square, 1.0f / 11);
  series = __builtin_fmaf(series, square, 1.0f / 9);
  series = __builtin_fmaf(series, square, 1.0f / 7);
  series = __builtin_fmaf(series, square, 1.0f / 5);
  series = __builtin_fmaf(series, square, 1.0f / 3);
  series = __builtin_fmaf(series, square, 1.0f);
  return (x + magnitude) * 0.5f + 2.0f * w * series;
}

// The complementary error function of x >= 0, to 5e-7 relative below 2 and 5e-6 up to 9. NaN for NaN.
// t exp(-x^2 + P(t)) with t = 1 / (1 + x/2), P by Chebyshev's fit (Numerical Recipes in C, 6.2).
inline float lane_erfc(float x) noexcept {
  const float t = 1.0f / (1.0f + 0.5f * x);
  float p = 0.17087277f;
  p = __builtin_fmaf(p, t, -0.82215223f);
  p = __builtin_fmaf(p, t, 1.48851587f);
  p = __builtin_fmaf(p, t, -1.13520398f);
  p = __builtin_fmaf(p, t, 0.27886807f);
  p = __builtin_fmaf(p, t, -0.18628806f);
  p = __builtin_fmaf(p, t, 0.09678418f);
  p = __builtin_fmaf(p, t, 0.37409196f);
  p = __builtin_fmaf(p, t, 1.00002368f);
  p = __builtin_fmaf(p, t, -1.26551223f);
  return t * lane_exp(__builtin_fmaf(-x, x, p));
}

// Sum over i of term(i), lane i % kMathLanes each in order, then the lanes pairwise.
template <typename Term>
float lane_sum(std::size_t count, Term term) noexcept {
  std::array<float, kMathLanes> lanes{};
  std::size_t i = 0;
  for (; i + kMathLanes <= count; i += kMathLanes)
    for (std::size_t l = 0; l < kMathLanes; ++l) lanes[l] += term(i + l);
  for (std::size_t l = 0; i < count; ++i, ++l) lanes[l] += term(i);
  for (std::size_t half = kMathLanes / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  return lanes[0];
}

// The largest value. REQUIRES: not empty, no NaN.
inline float lane_max(std::span<const float> values) noexcept {
  std::array<float, kMathLanes> lanes;
  lanes.fill(values[0]);
  std::size_t i = 0;
  for (; i + kMathLanes <= values.size(); i += kMathLanes)
    for (std::size_t l = 0; l < kMathLanes; ++l) lanes[l] = values[i + l] > lanes[l] ? values[i + l] : lanes[l];
  for (; i < values.size(); ++i) lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
  return *std::max_element(lanes.begin(), lanes.end());
}

}  // namespace quern
