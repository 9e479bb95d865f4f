// Decoding and rounding against independent implementations: the gguf package and torch (tools/make_codec_fixtures.py).
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "base/file.h"
#include "quern/codec.h"

namespace quern {
namespace {

template <typename T>
std::vector<T> read_fixture(const std::string& name) {
  const File file(std::string(QUERN_TESTDATA "/codec/") + name);
  std::vector<T> out(file.size() / sizeof(T));
  file.read(0, std::as_writable_bytes(std::span(out)));
  return out;
}

// Bit for bit, except that a NaN is a NaN.
void expect_same(std::span<const float> found, std::span<const float> expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) {
    if (std::isnan(expected[k]) && std::isnan(found[k])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(found[k]), std::bit_cast<std::uint32_t>(expected[k])) << k;
  }
}

class GgufDecoding : public testing::TestWithParam<const char*> {};

TEST_P(GgufDecoding, IsThatOfTheGgufPackageForAnyBits) {
  const Codec& codec = *find_codec(GetParam());
  const auto blocks = read_fixture<std::byte>(std::string(codec.name) + ".blocks");
  const auto expected = read_fixture<float>(std::string(codec.name) + ".f32");
  std::vector<float> found(expected.size());
  ASSERT_EQ(blocks.size(), codec.row_bytes(expected.size()));
  decode_row(codec, {blocks.data()}, found);
  expect_same(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Types, GgufDecoding,
                         testing::Values("q8_0", "q6_k", "q5_k", "q4_k", "q3_k", "q2_k", "q5_1", "q5_0", "q4_1", "q4_0",
                                         "iq4_nl", "iq4_xs", "mxfp4", "tq2_0", "tq1_0"),
                         [](const auto& type) { return std::string(type.param); });

class ScalarRounding : public testing::TestWithParam<const char*> {};

TEST_P(ScalarRounding, IsThatOfTorch) {
  const Codec& codec = *find_codec(GetParam());
  const auto values = read_fixture<float>("scalars.f32");
  const auto expected = read_fixture<std::byte>(std::string("scalars.") + codec.name);
  std::vector<std::byte> found(codec.row_bytes(values.size()));
  encode_row(codec, values, {}, {found.data()});
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Types, ScalarRounding, testing::Values("f32", "f16", "bf16"),
                         [](const auto& type) { return std::string(type.param); });

}  // namespace
}  // namespace quern
