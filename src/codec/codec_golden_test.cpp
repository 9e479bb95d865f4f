// Decoding and rounding against independent implementations: the gguf package and torch (tools/make_codec_fixtures.py).
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "base/file.h"
#include "codec/codec.h"

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
  const Codec& codec = *find_decoder(GetParam());
  const auto blocks = read_fixture<std::byte>(std::string(codec.name) + ".blocks");
  const auto expected = read_fixture<float>(std::string(codec.name) + ".f32");
  std::vector<float> found(expected.size());
  ASSERT_EQ(blocks.size(), codec.row_bytes(expected.size()));
  decode_row(codec, {blocks.data()}, found);
  expect_same(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Types, GgufDecoding,
                         testing::Values("q8_0", "q6_k", "q5_k", "q4_k", "q3_k", "q2_k", "q5_1", "q5_0", "q4_1", "q4_0",
                                         "iq4_nl", "iq4_xs", "mxfp4", "nvfp4", "tq2_0", "tq1_0", "iq3_s", "iq3_xxs",
                                         "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s", "q2_0", "q1_0"),
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

// bitsandbytes' blocks: 32 bytes of codes, then the scale.
constexpr std::size_t kNf4Block = 64, kNf4BlockBytes = 36;

TEST(Nf4, DecodesAndRoundsAsBitsandbytes) {
  const Codec& codec = *find_codec("nf4");
  const auto blocks = read_fixture<std::byte>("nf4.blocks");
  const auto weights = read_fixture<float>("nf4.weights"), expected = read_fixture<float>("nf4.f32");
  ASSERT_EQ(blocks.size() / kNf4BlockBytes * kNf4Block, expected.size());
  ASSERT_EQ(expected.size(), weights.size());
  for (std::size_t b = 0; b * kNf4BlockBytes < blocks.size(); ++b) {
    const std::byte *codes = blocks.data() + b * kNf4BlockBytes, *scale = codes + 32;
    std::vector<float> decoded(kNf4Block), values(kNf4Block);
    codec.decode(codec, {codes, scale}, decoded);
    expect_same(decoded, std::span(expected).subspan(b * kNf4Block, kNf4Block));
    std::vector<std::int32_t> rounded(kNf4Block);
    codec.round(codec, scale, 0, std::span(weights).subspan(b * kNf4Block, kNf4Block), {}, rounded, values);
    expect_same(values, decoded);
    std::byte packed[32], packed_scale[4];
    codec.pack(codec, scale, rounded, {packed, packed_scale});
    EXPECT_TRUE(std::equal(std::begin(packed), std::end(packed), codes)) << b;
  }
}

TEST(Nf4, TheSearchedScaleIsNeverWorseThanThatOfBitsandbytes) {
  const Codec& codec = *find_codec("nf4");
  const auto weights = read_fixture<float>("nf4.weights"), theirs = read_fixture<float>("nf4.f32");
  double sum = 0, sum_theirs = 0;
  for (std::size_t first = 0; first < weights.size(); first += kNf4Block) {
    double error_theirs = 0;
    for (std::size_t k = first; k < first + kNf4Block; ++k)
      error_theirs += std::pow(static_cast<double>(weights[k]) - theirs[k], 2);
    std::byte codes[32], scale[4];
    const auto block = std::span(weights).subspan(first, kNf4Block);
    encode_row(codec, block, {}, {codes, scale});
    std::array<float, kNf4Block> decoded;
    decode_row(codec, {codes, scale}, decoded);
    double error = 0;
    for (std::size_t k = 0; k < kNf4Block; ++k) error += std::pow(static_cast<double>(block[k]) - decoded[k], 2);
    EXPECT_LE(error, error_theirs * (1 + 1e-5)) << first / kNf4Block;
    sum += error;
    sum_theirs += error_theirs;
  }
  EXPECT_LT(sum, 0.95 * sum_theirs);
}

}  // namespace
}  // namespace quern
