// Plain loops that the compiler vectorises.
#include "kernel/elementwise.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernel/lane_math.h"

namespace quern {

void silu_mul(std::span<const float> gate, std::span<const float> up, std::span<float> out) {
  const float *g = gate.data(), *u = up.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) to[i] = g[i] / (1.0f + lane_exp(-g[i])) * u[i];
}

void squared_relu_mul(std::span<const float> gate, std::span<const float> up, std::span<float> out) {
  const float *g = gate.data(), *u = up.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float positive = g[i] < 0.0f ? 0.0f : g[i];
    to[i] = positive * positive * u[i];
  }
}

void silu(std::span<const float> x, std::span<float> out) {
  const float* from = x.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) to[i] = from[i] / (1.0f + lane_exp(-from[i]));
}

void gelu_tanh(std::span<const float> x, std::span<float> out) {
  constexpr float kTwoRootTwoOverPi = 1.59576912f, kCube = 0.044715f;
  constexpr float kFar = 9.0f;  // beyond it the result is x or below 1e-30, and x^3 need not overflow
  const float* from = x.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float v = from[i], capped = v > kFar ? kFar : v, near = capped < -kFar ? -kFar : capped;
    // (1 + tanh u) / 2 = 1 / (1 + e^-2u)
    to[i] = v / (1.0f + lane_exp(-kTwoRootTwoOverPi * (near + kCube * near * near * near)));
  }
}

void gelu_exact(std::span<const float> x, std::span<float> out) {
  constexpr float kFar = 13.0f;  // the tail beyond it is below 1e-37
  const float* from = x.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float v = from[i], magnitude = v < 0 ? -v : v, near = magnitude > kFar ? kFar : magnitude;
    const float tail = 0.5f * lane_erfc(near * 0.707106781f);
    to[i] = v * (v < 0 ? tail : 1.0f - tail);
  }
}

void add(std::span<const float> a, std::span<const float> b, std::span<float> out) {
  const float *x = a.data(), *y = b.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) to[i] = x[i] + y[i];
}

void add_scaled(std::span<const float> a, std::span<const float> scale, std::span<const float> b,
                std::span<float> out) {
  const float *x = a.data(), *factor = scale.data(), *y = b.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) to[i] = x[i] + factor[i] * y[i];
}

void add_bias(std::span<const float> bias, MutableMatrixView to) {
  for (std::size_t i = 0; i < to.rows; ++i) add(to.row(i), bias, to.row(i));
}

bool all_finite(std::span<const float> values) {
  // The exponent of NaN and infinity is all ones, so they have the largest magnitudes as integers.
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffu);
  return largest < 0x7f800000u;
}

}  // namespace quern
