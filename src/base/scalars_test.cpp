// 16-bit and 8-bit scalars, held to arithmetic in double over every bit pattern.
#include "base/scalars.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace quern {
namespace {

// The value of a small binary float with the given field widths, by the definition of IEEE 754.
double value_of(unsigned bits, int exponent_bits, int mantissa_bits) {
  const unsigned mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  const double magnitude = exponent ? std::ldexp(1 + fraction, exponent - bias) : std::ldexp(fraction, 1 - bias);
  return bits >> (exponent_bits + mantissa_bits) & 1u ? -magnitude : magnitude;
}

TEST(Bf16, EveryPatternRoundTrips) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float value = bf16_to_f32(pattern);
    if (std::isnan(value)) {
      EXPECT_EQ(f32_to_bf16(value), pattern | 0x40) << bits;  // a signalling NaN becomes quiet
    } else {
      ASSERT_EQ(f32_to_bf16(value), pattern) << bits;
      if (!std::isinf(value)) {
        ASSERT_EQ(value, value_of(bits, 8, 7)) << bits;
      }
    }
  }
}

TEST(F16, EveryPatternRoundTrips) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(pattern);
    if (std::isnan(value)) {
      EXPECT_EQ(f32_to_f16(value), pattern | 0x200) << bits;
    } else {
      ASSERT_EQ(f32_to_f16(value), pattern) << bits;
      if (!std::isinf(value)) {
        ASSERT_EQ(value, value_of(bits, 5, 10)) << bits;
      }
    }
  }
}

TEST(Bf16, TiesGoToEven) {
  for (unsigned low = 0; low + 1 < 0x7f80; ++low) {
    const auto even = static_cast<std::uint16_t>(low % 2 ? low + 1 : low);
    const float middle = std::bit_cast<float>((low << 16) + 0x8000u);
    ASSERT_EQ(f32_to_bf16(middle), even) << low;
    ASSERT_EQ(f32_to_bf16(-middle), even | 0x8000) << low;
    ASSERT_EQ(f32_to_bf16(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(f32_to_bf16(std::nextafter(middle, INFINITY)), low + 1);
  }
}

TEST(F16, TiesGoToEven) {
  for (unsigned low = 0; low + 1 < 0x7c00; ++low) {
    const auto even = static_cast<std::uint16_t>(low % 2 ? low + 1 : low);
    const float middle = static_cast<float>((value_of(low, 5, 10) + value_of(low + 1, 5, 10)) / 2);
    ASSERT_EQ(f32_to_f16(middle), even) << low;
    ASSERT_EQ(f32_to_f16(-middle), even | 0x8000) << low;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, INFINITY)), low + 1);
  }
}

TEST(Scalars, TooLargeBecomesInfinite) {
  constexpr float kMax = std::numeric_limits<float>::max();
  EXPECT_EQ(f32_to_bf16(kMax), 0x7f80);
  EXPECT_EQ(f32_to_bf16(-kMax), 0xff80);
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-INFINITY), 0xfc00);
}

TEST(Scalars, ANanStaysANan) {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0xffffffffu}) {
    const float value = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(value)))) << bits;
    EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value)))) << bits;
  }
}

TEST(F8, E4m3HasNoInfinityAndOneNan) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    const float value = f8_e4m3_to_f32(static_cast<std::uint8_t>(bits));
    if ((bits & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      EXPECT_EQ(value, value_of(bits, 4, 3)) << bits;
    }
  }
  EXPECT_EQ(f8_e4m3_to_f32(0x7e), 448.0f);
}

TEST(F8, E5m2IsHalfOfAnF16) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    const float value = f8_e5m2_to_f32(static_cast<std::uint8_t>(bits));
    if ((bits & 0x7c) != 0x7c) {
      EXPECT_EQ(value, value_of(bits, 5, 2)) << bits;
    } else {
      EXPECT_EQ(std::isinf(value), (bits & 3) == 0) << bits;
    }
  }
  EXPECT_EQ(f8_e5m2_to_f32(0x7b), 57344.0f);
}

}  // namespace
}  // namespace quern
