// Round-to-nearest, plain and weighted, over every number format.
#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::size_t kRows = 12, kCols = 512;

Matrix random_rows(std::uint64_t seed) {
  Random random(seed);
  Matrix rows(kRows, kCols);
  for (float& v : rows.flat()) v = static_cast<float>(random.normal() * 0.02);
  return rows;
}

// Moments as they are in models: most near each other, a few columns a hundred times larger.
std::vector<double> random_moments(std::uint64_t seed) {
  Random random(seed);
  std::vector<double> moments;
  for (std::size_t c = 0; c < kCols; ++c)
    moments.push_back(std::exp(random.normal()) * (random.below(50) == 0 ? 100 : 1));
  return moments;
}

PackedTensor encoded(const char* optimizer, const Codec& codec, const Matrix& rows, std::span<const double> moments) {
  PackedTensor packed(trained_on(codec, rows.view()), {rows.rows(), rows.cols()});
  find_optimizer(optimizer).encode(input_context(moments), rows.view(), packed);
  return packed;
}

bool same_bytes(const PackedTensor& a, const PackedTensor& b) {
  for (std::size_t p = 0; p < a.codec().planes.size(); ++p)
    if (!std::ranges::equal(a.plane(p), b.plane(p))) return false;
  return true;
}

TEST(Weighted, IsNeverWorseThanRtnInWeightedErrorForAnyCodec) {
  for (const Codec* codec : codecs()) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const Matrix rows = random_rows(seed);
      const std::vector<double> moments = random_moments(100 + seed);
      const double rtn =
          measure_error(rows.view(), input_context(moments), encoded("rtn", *codec, rows, moments)).weighted;
      const double weighted =
          measure_error(rows.view(), input_context(moments), encoded("weighted", *codec, rows, moments)).weighted;
      EXPECT_LE(weighted, rtn) << codec->name << " seed " << seed;
    }
  }
}

TEST(Weighted, IsRtnWhereThereAreNoMomentsOrAllAreEqualOrZero) {
  const Matrix rows = random_rows(7);
  for (const Codec* codec : codecs()) {
    const PackedTensor plain = encoded("rtn", *codec, rows, {});
    EXPECT_TRUE(same_bytes(encoded("weighted", *codec, rows, {}), plain)) << codec->name;
    EXPECT_TRUE(same_bytes(encoded("weighted", *codec, rows, std::vector<double>(kCols, 0.0)), plain)) << codec->name;
  }
}

TEST(Weighted, DoesNotDependOnTheScaleOfTheMoments) {
  const Matrix rows = random_rows(8);
  const std::vector<double> moments = random_moments(9);
  std::vector<double> scaled = moments;
  for (double& m : scaled) m *= 0x1p-90;
  for (const Codec* codec : codecs())
    EXPECT_TRUE(same_bytes(encoded("weighted", *codec, rows, moments), encoded("weighted", *codec, rows, scaled)))
        << codec->name;
}

TEST(Weighted, StandsColumnsThatNeverCarryAnything) {
  const Matrix rows = random_rows(10);
  std::vector<double> moments(kCols, 0.0);
  for (std::size_t c = 256; c < 300; ++c) moments[c] = 1.0;  // one block without any, one with few
  for (const Codec* codec : codecs()) {
    const EncodeError error =
        measure_error(rows.view(), input_context(moments), encoded("weighted", *codec, rows, moments));
    EXPECT_TRUE(std::isfinite(error.plain)) << codec->name;
    // Below 4 bits the grid itself costs more than 1%: five times the bound of rate-distortion theory.
    // SeedLM with the exponent as it was published has coefficients of 2 bits in 4; grids of a side of their own are
    // for larger weights.
    const std::string name = codec->name;
    const double bits = codec->bits_per_weight - (name == "seedlm_4_paper" ? 1 : 0);
    const double allowed = name.find("_l0") != std::string::npos ? 0.1 : std::max(0.01, 5 * std::exp2(-2 * bits));
    EXPECT_LT(error.relative_weighted(), allowed) << codec->name;
  }
}

TEST(Rtn, IgnoresMoments) {
  const Matrix rows = random_rows(11);
  const Codec& codec = *find_codec("q4_k");
  EXPECT_TRUE(same_bytes(encoded("rtn", codec, rows, random_moments(1)), encoded("rtn", codec, rows, {})));
}

TEST(MeasureError, IsTheSumsByHand) {
  // int8_channel: the largest magnitude 127 gives a step of 1.
  Matrix rows(1, 3);
  rows.row(0)[0] = 127.0f, rows.row(0)[1] = 0.25f, rows.row(0)[2] = -2.0f;
  const PackedTensor packed = encoded("rtn", *find_codec("int8_channel"), rows, {});
  Matrix decoded(1, 3);
  decode_row(packed.codec(), packed.row(0), decoded.row(0));
  const std::vector<double> moments{1, 8, 4};
  double plain = 0, weighted = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    const double d = static_cast<double>(rows.row(0)[c]) - decoded.row(0)[c];
    plain += d * d;
    weighted += moments[c] * d * d;
  }
  const EncodeError error = measure_error(rows.view(), input_context(moments), packed);
  EXPECT_GT(plain, 0.01);
  EXPECT_DOUBLE_EQ(error.plain, plain);
  EXPECT_DOUBLE_EQ(error.weighted, weighted);
  EXPECT_DOUBLE_EQ(error.plain_energy, 127.0 * 127 + 0.0625 + 4);
  EXPECT_DOUBLE_EQ(error.weighted_energy, 127.0 * 127 + 8 * 0.0625 + 4 * 4.0);
  EXPECT_DOUBLE_EQ(error.relative_plain(), plain / error.plain_energy);
  EXPECT_EQ(measure_error(rows.view(), {}, packed).weighted, error.plain);
}

// Long rows are summed in float where that is enough.
TEST(MeasureError, IsTheSumsByHandOfWeightsOfAnySize) {
  for (const double size : {1.0, 1e-15, 1e-25, 1e12, 1e30}) {
    Matrix rows = random_rows(12);
    for (float& v : rows.flat()) v = static_cast<float>(v * size);
    for (const double scale : {1.0, 1e-60, 1e60}) {
      std::vector<double> moments = random_moments(13);
      for (double& m : moments) m *= scale;
      const PackedTensor packed = encoded("rtn", *find_codec("bf16"), rows, {});
      EncodeError by_hand;
      std::vector<float> decoded(kCols);
      for (std::size_t r = 0; r < kRows; ++r) {
        decode_row(packed.codec(), packed.row(r), decoded);
        for (std::size_t c = 0; c < kCols; ++c) {
          const double v = rows.row(r)[c], d = v - decoded[c];
          by_hand += {moments[c] * d * d, moments[c] * v * v, d * d, v * v};
        }
      }
      const EncodeError error = measure_error(rows.view(), input_context(moments), packed);
      EXPECT_GT(by_hand.plain, 0) << size;
      EXPECT_NEAR(error.plain / by_hand.plain, 1, 1e-6) << size;
      EXPECT_NEAR(error.plain_energy / by_hand.plain_energy, 1, 1e-6) << size;
      EXPECT_NEAR(error.weighted / by_hand.weighted, 1, 1e-6) << size << ", moments " << scale;
      EXPECT_NEAR(error.weighted_energy / by_hand.weighted_energy, 1, 1e-6) << size << ", moments " << scale;
    }
  }
}

TEST(MeasureError, IsInfiniteWhereADecodedValueIs) {
  Matrix rows(1, 256);
  for (float& v : rows.flat()) v = 1.0f;
  rows.row(0)[5] = 1e6f;  // beyond binary16
  EXPECT_FALSE(std::isfinite(measure_error(rows.view(), {}, encoded("rtn", *find_codec("f16"), rows, {})).plain));
}

TEST(MeasureError, AddsUpAndIsZeroForAnAllZeroTensor) {
  EncodeError sum{1, 2, 3, 4};
  sum += EncodeError{10, 20, 30, 40};
  EXPECT_EQ(sum.weighted, 11);
  EXPECT_EQ(sum.weighted_energy, 22);
  EXPECT_EQ(sum.plain, 33);
  EXPECT_EQ(sum.plain_energy, 44);
  const Matrix zero(2, kCols);
  for (const Codec* codec : codecs()) {
    const EncodeError error = measure_error(zero.view(), {}, encoded("rtn", *codec, zero, {}));
    EXPECT_EQ(error.plain, 0) << codec->name;
    EXPECT_EQ(error.relative_plain(), 0);
    EXPECT_EQ(error.relative_weighted(), 0);
  }
}

TEST(FindOptimizer, SuggestsTheNearestName) {
  EXPECT_STREQ(find_optimizer("rtn").name, "rtn");
  try {
    find_optimizer("wieghted");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("did you mean weighted?"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace quern
