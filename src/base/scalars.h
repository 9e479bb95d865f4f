// 16-bit and 8-bit floating-point scalars as bit patterns.
// Rounding is to nearest, ties to even, everywhere; a NaN stays a NaN.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace quern {

inline float bf16_to_f32(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t f32_to_bf16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#if defined(__F16C__)
inline float f16_to_f32(std::uint16_t bits) noexcept { return _cvtsh_ss(bits); }
inline std::uint16_t f32_to_f16(float value) noexcept { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }
#else
inline float f16_to_f32(std::uint16_t bits) noexcept { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
inline std::uint16_t f32_to_f16(float value) noexcept {
  return std::bit_cast<std::uint16_t>(static_cast<_Float16>(value));
}
#endif

// OCP 8-bit floating point, e4m3 (finite only: 0x7f is NaN) and e5m2 (IEEE-like).
inline float f8_e4m3_to_f32(std::uint8_t bits) noexcept {
  const int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  if (exponent == 15 && mantissa == 7) return std::nanf("");
  const float magnitude = exponent ? std::ldexp(1.0f + mantissa / 8.0f, exponent - 7) : std::ldexp(mantissa / 8.0f, -6);
  return bits & 0x80 ? -magnitude : magnitude;
}

inline float f8_e5m2_to_f32(std::uint8_t bits) noexcept { return f16_to_f32(static_cast<std::uint16_t>(bits << 8)); }

}  // namespace quern
