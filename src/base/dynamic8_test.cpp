// The dynamic 8-bit numbers against those of bitsandbytes (tools/make_codec_fixtures.py).
#include "base/dynamic8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "base/file.h"

namespace quern {
namespace {

TEST(Dynamic8, AreThoseOfBitsandbytes) {
  std::array<float, 256> expected;
  File(QUERN_TESTDATA "/codec/dynamic8.f32").read(0, std::as_writable_bytes(std::span(expected)));
  for (std::size_t k = 0; k < expected.size(); ++k) EXPECT_EQ(dynamic8_values()[k], expected[k]) << k;
}

TEST(Dynamic8, TheNearestIsFound) {
  const auto& values = dynamic8_values();
  for (std::size_t k = 0; k < values.size(); ++k) EXPECT_EQ(nearest_dynamic8(values[k]), k);
  for (float x = -1.25f; x < 1.25f; x += 0.00037f) {
    const float found = std::abs(values[nearest_dynamic8(x)] - x);
    for (const float value : values) ASSERT_LE(found, std::abs(value - x)) << x;
  }
  EXPECT_EQ(values[nearest_dynamic8(std::nanf(""))], 0.0f);
}

}  // namespace
}  // namespace quern
