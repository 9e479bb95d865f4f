// What every row of the table must keep: sizes, agreement of round, pack and decode, sane errors, and safety on any
// floats.
#include "codec/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/dynamic8.h"
#include "base/random.h"
#include "codec/packed_tensor.h"
#include "codec/stripes.h"
#include "quern/error.h"

namespace quern {
namespace {

using Floats = std::vector<float>;

struct Encoded {
  PackedTensor tensor;
  Floats decoded;
  double error = 0;
};

double weighted_error(const Floats& weights, const Floats& decoded, const Floats& importance) {
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double error = static_cast<double>(weights[k]) - decoded[k];
    sum += (importance.empty() ? 1.0 : importance[k]) * error * error;
  }
  return sum;
}

Encoded encode(const Codec& codec, const Floats& weights, const Floats& importance = {}) {
  Encoded out{encode_tensor(codec, {weights.data(), 1, weights.size(), weights.size()}, importance),
              Floats(weights.size()), 0};
  decode_rows(out.tensor.codec(), std::as_const(out.tensor).row(0), 0,
              {out.decoded.data(), 1, out.decoded.size(), out.decoded.size()});
  out.error = weighted_error(weights, out.decoded, importance);
  return out;
}

Floats gaussian(std::size_t count, double sigma, std::uint64_t seed) {
  Random random(seed);
  Floats out(count);
  for (float& value : out) value = static_cast<float>(sigma * random.normal());
  return out;
}

Floats lognormal(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Floats out(count);
  for (float& value : out) value = static_cast<float>(std::exp(random.normal()));
  return out;
}

double power(const Floats& weights) { return weighted_error(weights, Floats(weights.size()), {}); }
double relative_error(const Codec& codec, const Floats& weights) {
  return encode(codec, weights).error / power(weights);
}

// Grids of a side that is a length, whatever the weights are.
bool is_absolute(const Codec& codec) { return std::string_view(codec.name).find("_l0") != std::string_view::npos; }

bool same_bits(float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }

MatrixView one_row(const Floats& weights) { return {weights.data(), 1, weights.size(), weights.size()}; }

// What all rows share, in bytes.
std::uint64_t shared_bytes(const Codec& trained) {
  return trained.tensor_side ? trained.tensor_side->serialise().size() : 0;
}

// Fit, round and pack of one block after the other. Of stripes in place of rows.
void encode_by_steps(std::span<const float> row, std::span<const float> importance, std::size_t r, PackedTensor& out) {
  const Codec& codec = out.codec();
  const std::size_t block = codec.block ? codec.block : row.size();
  std::vector<std::byte> sides(codec.blocks_of(row.size()) * codec.side_bytes);
  std::vector<std::int32_t> codes(row.size());
  PlanePointers planes = codec.is_measured() ? PlanePointers{} : out.row(r);
  std::byte* side = sides.data();
  for (std::size_t first = 0; first < row.size(); first += block, side += codec.side_bytes) {
    const auto columns = importance.empty() ? importance : importance.subspan(first, block);
    const auto of_block = std::span(codes).subspan(first, block);
    codec.fit(codec, row.subspan(first, block), columns, side);
    codec.round(codec, side, 0, row.subspan(first, block), columns, of_block, {});
    if (codec.is_measured()) continue;
    codec.pack(codec, side, of_block, planes);
    for (std::size_t p = 0; p < codec.planes.size(); ++p) planes[p] += codec.planes[p].block_bytes(block);
  }
  if (codec.is_measured()) out.append_row(sides, codes);
}

// Rows of 512 that have broken encoders before.
std::vector<std::pair<std::string, Floats>> hard_rows() {
  constexpr std::size_t kCols = 512;
  std::vector<std::pair<std::string, Floats>> rows = {{"zeros", Floats(kCols, 0.0f)},
                                                      {"negative zeros", Floats(kCols, -0.0f)},
                                                      {"constant", Floats(kCols, 0.37f)},
                                                      {"negative constant", Floats(kCols, -0.37f)},
                                                      {"denormals", gaussian(kCols, 1e-40, 1)},
                                                      {"tiny", gaussian(kCols, 1e-9, 2)},
                                                      {"scales below binary16", gaussian(kCols, 1e-6, 8)},
                                                      {"scales are denormals", gaussian(kCols, 3e-37, 2)},
                                                      {"binary16 denormals", gaussian(kCols, 1e-5, 3)},
                                                      {"large", gaussian(kCols, 1e4, 4)},
                                                      {"huge", gaussian(kCols, 1e30, 5)},
                                                      {"largest", Floats(kCols, std::numeric_limits<float>::max())}};
  Floats outlier(kCols, 0.0f), spiked = gaussian(kCols, 0.02, 6), shifted = gaussian(kCols, 0.01, 7);
  outlier[300] = -3.5f;
  spiked[17] = 40.0f;
  for (float& value : shifted) value += 1.0f;
  rows.insert(rows.end(), {{"single outlier", outlier}, {"outlier in noise", spiked}, {"far from zero", shifted}});
  return rows;
}

class CodecTest : public testing::TestWithParam<const Codec*> {
 protected:
  const Codec& codec() const { return *GetParam(); }
};

TEST_P(CodecTest, IsFoundByItsName) { EXPECT_EQ(find_codec(codec().name), &codec()); }

TEST_P(CodecTest, StoredBytesAreTheNominalRatePlusPerRowScales) {
  constexpr std::uint64_t kRows = 24, kCols = 6144;  // whole runs, words, vectors and stripes
  EXPECT_TRUE(codec().divides(kCols));
  if (codec().is_measured()) {
    const Floats weights = gaussian(kRows * kCols, 0.02, 9);
    const PackedTensor packed = encode_tensor(codec(), {weights.data(), kRows, kCols, kCols});
    const auto measured = static_cast<double>(packed.bytes()),
               expected = static_cast<double>(codec().stored_bytes(kRows, kCols));
    EXPECT_NEAR(measured / expected, 1, 0.02);
    return;
  }
  if (codec().train) {  // and what all rows share
    const Floats weights = gaussian(kRows * kCols, 0.02, 9);
    const PackedTensor packed = encode_tensor(codec(), {weights.data(), kRows, kCols, kCols});
    EXPECT_NEAR(static_cast<double>(packed.plane(0).size()) * 8 / (kRows * kCols), codec().bits_per_weight, 0.002);
    EXPECT_EQ(packed.plane(0).size(), codec().stored_bytes(kRows, kCols) - codec().stored_bytes(0, kCols));
    return;
  }
  std::uint64_t fixed = 0;
  if (codec().block == 0) {
    for (const CodecPlane& plane : codec().planes) fixed += plane.bytes_per_block;
  }
  const auto trained = trained_on(codec(), one_row(Floats(kCols)));
  const std::uint64_t shared = shared_bytes(*trained);
  const double bits =
      8 * static_cast<double>(codec().stored_bytes(kRows, kCols) - codec().stored_bytes(0, kCols) - kRows * fixed);
  EXPECT_DOUBLE_EQ(bits / (kRows * kCols), codec().bits_per_weight);
  EXPECT_EQ(PackedTensor(trained, {3, kCols}).bytes(), codec().stripes(3) * codec().row_bytes(kCols) + shared);
  EXPECT_LE(codec().stored_bytes(3, kCols), codec().stripes(3) * codec().row_bytes(kCols) + shared + kCols);
}

TEST_P(CodecTest, RoundGivesTheValuesThatDecodeGives) {
  for (const auto& [name, weights] : hard_rows()) {
    const Matrix seen = stripes_of(one_row(weights), codec().stripe);
    const std::size_t block = codec().block ? codec().block : seen.cols();
    std::vector<std::byte> side(codec().side_bytes);
    const auto trained = trained_on(codec(), one_row(weights));
    for (std::size_t first = 0; first < seen.cols(); first += block) {
      const auto part = seen.row(0).subspan(first, block);
      PackedTensor tensor(trained, {1, block / codec().stripe});
      std::vector<std::int32_t> codes(block);
      Floats values(block), decoded(block);
      codec().fit(*trained, part, {}, side.data());
      codec().round(*trained, side.data(), 0, part, {}, codes, values);
      if (codec().is_measured()) {
        tensor.append_row(side, codes);
      } else {
        codec().pack(*trained, side.data(), codes, tensor.row(0));
      }
      decode_row(*trained, std::as_const(tensor).row(0), decoded);
      for (std::size_t k = 0; k < block; ++k) ASSERT_TRUE(same_bits(values[k], decoded[k])) << name << " " << first + k;
    }
  }
}

TEST_P(CodecTest, RoundingInPiecesIsRoundingInOneGo) {
  const Floats row = gaussian(codec().block ? codec().block : 200, 0.02, 8);
  const auto trained = trained_on(codec(), one_row(row));
  const Matrix seen = stripes_of(one_row(row), codec().stripe);
  const std::span<const float> weights = seen.row(0);
  std::vector<std::byte> side(codec().side_bytes);
  codec().fit(*trained, weights, {}, side.data());
  std::vector<std::int32_t> whole(weights.size()), pieces(weights.size());
  Floats values(weights.size()), piece_values(weights.size());
  codec().round(*trained, side.data(), 0, weights, {}, whole, values);
  const std::size_t granule = codec().granule;
  for (std::size_t first = 0, count = granule; first < weights.size(); first += count, count = count * 2 + granule) {
    count = std::min(count, weights.size() - first);
    codec().round(*trained, side.data(), static_cast<std::uint32_t>(first), weights.subspan(first, count), {},
                  std::span(pieces).subspan(first, count), std::span(piece_values).subspan(first, count));
  }
  EXPECT_EQ(whole, pieces);
  EXPECT_EQ(values, piece_values);
  codec().round(*trained, side.data(), 0, weights, {}, pieces, {});
  EXPECT_EQ(whole, pieces);
}

TEST_P(CodecTest, NeverDoesWorseThanWritingZeros) {
  for (const auto& [name, weights] : hard_rows()) {
    if (name == "huge" || name == "largest" || name == "large") continue;  // beyond binary16 scales
    EXPECT_LE(encode(codec(), weights).error, power(weights) * (1 + 1e-6)) << name;
  }
}

// A scale of 1e-6 / 127 is not a number of binary16; codes of a few of its least steps are better than none.
TEST_P(CodecTest, SmallWeightsKeepWhatTheScaleHasRoomFor) {
  if (std::string(codec().name) == "nvfp4") GTEST_SKIP() << "its scales are E4M3 alone";
  if (is_absolute(codec())) GTEST_SKIP() << "its steps are those of larger weights";
  if (codec().stripe > 1 && codec().use == Codec::Use::kTrained)
    GTEST_SKIP() << "its mean is also of the zeros that fill the stripe";
  EXPECT_LE(relative_error(codec(), gaussian(512, 1e-6, 8)), 0.3);
}

TEST_P(CodecTest, HugeWeightsDecodeFiniteExceptByTheIeeeRoundingOfBinary16) {
  const bool overflows = std::string(plain_codec(codec()).name) == "f16";
  for (const float value : encode(codec(), gaussian(512, 1e30, 5)).decoded) EXPECT_NE(std::isfinite(value), overflows);
}

TEST_P(CodecTest, ZerosStayZeros) {
  for (const float value : encode(codec(), Floats(512, 0.0f)).decoded) EXPECT_EQ(value, 0.0f);
}

TEST_P(CodecTest, ConstantRowsAreNearlyExact) {
  // With a power of two as scale, E2M1 leaves a constant up to a fifth away, halfway between 1 and 1.5. The scales of
  // nvfp4 are E4M3, of which small ones are multiples of 2^-10.
  // SeedLM has no better vector of 8 or 12 equal weights than of others.
  const std::string name = codec().name;
  const float tolerance = name.starts_with("seedlm") ? 0.6f
                          : name == "mxfp4"          ? 0.2f
                          : name == "nvfp4"          ? 0.025f
                                                     : 0.008f;
  for (const float constant : {0.37f, -0.37f, 1e-3f, 12.0f}) {
    const Encoded encoded = encode(codec(), Floats(512, constant));
    for (const float value : encoded.decoded) EXPECT_NEAR(value, constant, tolerance * std::abs(constant));
  }
}

TEST_P(CodecTest, AnyFloatIsSafe) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {inf, -inf, nan}) {
    Floats weights = gaussian(512, 0.02, 11), importance = lognormal(512, 12);
    weights[3] = weights[300] = bad;
    encode(codec(), weights);
    importance[5] = bad;
    importance[6] = -1;
    encode(codec(), weights, importance);
    encode(codec(), Floats(512, bad), Floats(512, bad));
  }
  Random random(13);
  const int trials =
      codec().round_rows ? 2 : 50;  // a search over all seeds, with tables for each column, takes a second
  for (int trial = 0; trial < trials; ++trial) {
    Floats weights(512), importance(512);
    for (float& value : weights) value = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
    for (float& value : importance) value = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
    encode(codec(), weights, importance);
  }
}

TEST_P(CodecTest, WholeRowsEncodeToTheBytesOfTheStepsOneByOne) {
  if (codec().settle) GTEST_SKIP() << "side information is settled between the steps";
  constexpr std::uint64_t kRows = 3;
  const std::size_t cols = 9 * (codec().block ? codec().block : 64);  // not a multiple of what is done side by side
  Floats weights;
  for (const auto& [name, row] : hard_rows()) weights.insert(weights.end(), row.begin(), row.end());
  const Floats noise = gaussian(kRows * cols, 0.02, 23), columns = lognormal(cols, 24);
  weights.insert(weights.begin(), noise.begin(), noise.end());
  weights.resize(weights.size() / (kRows * cols) * kRows * cols);
  if (codec().round_rows) weights.resize(kRows * cols);  // a search for every vector
  weights[5] = std::numeric_limits<float>::quiet_NaN();
  for (const Floats& importance : {Floats(), columns, Floats(cols, 0.0f)}) {
    for (std::size_t first = 0; first < weights.size(); first += kRows * cols) {
      const MatrixView rows{weights.data() + first, kRows, cols, cols};
      const PackedTensor whole = encode_tensor(codec(), rows, importance);
      PackedTensor stepwise(trained_on(codec(), rows, importance), {kRows, cols});
      const Matrix seen = stripes_of(rows, codec().stripe);
      for (std::size_t i = 0; i < seen.rows(); ++i)
        encode_by_steps(seen.row(i), repeated(importance, codec().stripe), i, stepwise);
      for (std::size_t p = 0; p < codec().planes.size(); ++p)
        EXPECT_TRUE(std::ranges::equal(whole.plane(p), stepwise.plane(p))) << first << " " << importance.size();
    }
  }
}

TEST_P(CodecTest, ImportanceOfAllZerosActsAsNone) {
  const Floats weights = gaussian(512, 0.02, 14);
  EXPECT_EQ(encode(codec(), weights, Floats(512, 0.0f)).decoded, encode(codec(), weights).decoded);
}

TEST_P(CodecTest, ImportanceIsRelative) {
  const Floats weights = gaussian(512, 0.02, 15), importance = lognormal(512, 16);
  Floats scaled = importance;
  for (float& value : scaled) value *= 0x1p-100f;
  EXPECT_EQ(encode(codec(), weights, scaled).decoded, encode(codec(), weights, importance).decoded);
}

TEST_P(CodecTest, FewHugeImportancesAreServedFirst) {
  const Floats weights = gaussian(512, 0.02, 17);
  Floats importance(512, 1e-3f);
  for (std::size_t k = 7; k < 512; k += 64) importance[k] = 1e6f;
  const Encoded plain = encode(codec(), weights), served = encode(codec(), weights, importance);
  EXPECT_LE(served.error, weighted_error(weights, plain.decoded, importance) * (1 + 1e-6));  // sums in 32 bits
}

TEST_P(CodecTest, ImportanceLowersTheErrorThatItWeighs) {
  if (codec().stripe > 1) GTEST_SKIP() << "a codebook has room for most of so few vectors";
  const Floats weights = gaussian(4096, 0.02, 18), importance = lognormal(4096, 19);
  const Encoded plain = encode(codec(), weights), weighted = encode(codec(), weights, importance);
  EXPECT_LE(weighted.error, weighted_error(weights, plain.decoded, importance) * (1 + 1e-6));
}

TEST_P(CodecTest, SameInputGivesSameBytes) {
  const Floats weights = gaussian(1024, 0.02, 20), importance = lognormal(1024, 21);
  const PackedTensor first = encode(codec(), weights, importance).tensor,
                     second = encode(codec(), weights, importance).tensor;
  for (std::size_t p = 0; p < codec().planes.size(); ++p)
    EXPECT_TRUE(std::ranges::equal(first.plane(p), second.plane(p)));
}

TEST_P(CodecTest, RescalingByAPowerOfTwoChangesNothingElse) {
  if (is_absolute(codec())) GTEST_SKIP() << "its steps stay as they are";
  const Floats weights = gaussian(1024, 1.0, 22);  // large enough for scales that are no denormals
  Floats scaled = weights;
  for (float& value : scaled) value *= 4;
  EXPECT_NEAR(relative_error(codec(), weights), relative_error(codec(), scaled), 1e-9);
}

// Shannon's bound for a Gaussian source; anything below it hides bits somewhere.
TEST_P(CodecTest, GaussianErrorIsAboveTheRateDistortionBound) {
  const Floats weights = gaussian(16384, 0.02, 23);
  const Encoded encoded = encode(codec(), weights);
  const double error = encoded.error / power(weights);
  if (plain_codec(codec()).bits_per_weight == 32) {
    EXPECT_EQ(error, 0);  // the source itself has 32 bits
  } else {
    // Of a codebook every bit counts: it may hold more than the codes.
    const double bits =
        codec().train ? 8.0 * static_cast<double>(encoded.tensor.bytes()) / 16384 : codec().bits_per_weight;
    EXPECT_GT(error, std::exp2(-2 * bits));
  }
}

TEST_P(CodecTest, EmptyRowsAreAllowed) { EXPECT_NO_THROW(encode_tensor(codec(), {nullptr, 1, 0, 0})); }

INSTANTIATE_TEST_SUITE_P(Table, CodecTest, testing::ValuesIn(codecs().begin(), codecs().end()),
                         [](const auto& row) { return std::string(row.param->name); });

TEST(Codecs, AreListedByBitsPerWeight) {
  for (std::size_t k = 1; k < codecs().size(); ++k) {
    EXPECT_GE(codecs()[k - 1]->bits_per_weight, codecs()[k]->bits_per_weight);
  }
  EXPECT_EQ(find_codec("q3_z"), nullptr);
}

TEST(Codecs, ThoseOnlyReadAreFoundAsDecodersAlone) {
  for (const Codec* codec : read_only_codecs()) {
    EXPECT_EQ(find_codec(codec->name), nullptr) << codec->name;
    EXPECT_EQ(find_decoder(codec->name), codec);
    EXPECT_FALSE(codec->fit || codec->round || codec->pack) << codec->name;
    EXPECT_NEAR(static_cast<double>(codec->stored_bytes(1, 2048)) * 8 / 2048, codec->bits_per_weight, 1e-9);
    const std::vector<float> weights(512);
    EXPECT_THROW(encode_row(*codec, weights, {}, {}), std::exception) << codec->name;
  }
  EXPECT_EQ(find_decoder("q4_k"), find_codec("q4_k"));
  EXPECT_EQ(find_decoder("q3_z"), nullptr);
}

TEST(Codecs, AnF64IsReadAsTheNearestF32) {
  const std::vector<double> stored = {0.1, -1.0 / 3, 1e-50, 1e300, 1 + 0x1p-24, 1 + 3 * 0x1p-24};
  const std::vector<float> expected = {0.1f, -1.0f / 3,   0.0f, std::numeric_limits<float>::infinity(),
                                       1.0f, 1 + 0x1p-22f};
  std::vector<float> decoded(stored.size());
  decode_row(*find_decoder("f64"), {reinterpret_cast<const std::byte*>(stored.data())}, decoded);
  EXPECT_EQ(decoded, expected);
}

TEST(Codecs, MoreBitsOfAFamilyMeanLessError) {
  const Floats weights = gaussian(16384, 0.02, 24);
  double last = 0;
  for (const char* name : {"f32", "f16", "q8_0", "q6_k", "q5_k", "q4_k", "q3_k", "q2_k"}) {
    const double error = relative_error(*find_codec(name), weights);
    EXPECT_GE(error, 2 * last) << name;
    last = error;
  }
  EXPECT_LT(relative_error(*find_codec("q4_k"), weights), 0.006);
  EXPECT_LT(last, 0.08);
}

TEST(Codecs, AFifthBitAndAnOffsetOf32WeightsBothLowerTheError) {
  const Floats weights = gaussian(16384, 0.02, 25);
  const auto error = [&](const char* name) { return relative_error(*find_codec(name), weights); };
  EXPECT_LT(error("q5_0"), error("q4_0") / 3);
  EXPECT_LT(error("q5_1"), error("q4_1") / 3);
  EXPECT_LT(error("q4_1"), error("q4_0") * 0.9);
  EXPECT_LT(error("q5_1"), error("q5_0") * 0.9);
}

// Grids without an offset reach one step further down than up: weights that use that step on either side are met only
// if the sign of the scale follows them. What is left is the rounding of a scale to binary16.
TEST(Codecs, ScalesTakeTheSignThatReachesTheLargestWeight) {
  struct Case {
    const char* name;
    int lowest, count;  // codes in use: count from the lowest up
  };
  for (const auto& [name, lowest, count] :
       {Case{"q4_0", -8, 16}, Case{"q5_0", -16, 32}, Case{"q3_k", -4, 8}, Case{"q6_k", -32, 16}}) {
    for (const float step : {0.5f, -0.5f}) {
      Floats weights;
      for (int k = 0; k < 256; ++k) weights.push_back(step * static_cast<float>(lowest + k % count));
      EXPECT_LT(relative_error(*find_codec(name), weights), 2e-7) << name << " " << step;
    }
  }
}

TEST(Int8Channel, NeverDoesWorseThanTheScaleOfTheLargestWeight) {
  const Codec& codec = *find_codec("int8_channel");
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Floats importance = lognormal(700, seed + 100);
    Floats weights = gaussian(700, 0.02, seed), plain(700);
    if (seed % 2) weights[seed] *= 30;
    float largest = 0;
    for (const float value : weights) largest = std::max(largest, std::abs(value));
    const float scale = std::bit_cast<float>((std::bit_cast<std::uint32_t>(largest / 127) + 0x8000u) & 0xffff0000u);
    for (std::size_t k = 0; k < plain.size(); ++k) {
      plain[k] = scale * std::clamp(std::nearbyint(weights[k] / scale), -127.0f, 127.0f);
    }
    EXPECT_LE(encode(codec, weights, importance).error, weighted_error(weights, plain, importance) * (1 + 1e-6));
  }
}

TEST(Int8Channel, StoresCodesPlus128AndABfloat16Scale) {
  const Codec& codec = *find_codec("int8_channel");
  const PackedTensor tensor = encode(codec, {127 * 0.5f, -127 * 0.5f, 0.5f, 0.0f}).tensor;
  const std::vector<std::byte> codes = {std::byte{255}, std::byte{1}, std::byte{129}, std::byte{128}};
  const std::vector<std::byte> scale = {std::byte{0x00}, std::byte{0x3f}};
  EXPECT_TRUE(std::ranges::equal(tensor.plane(0), codes));
  EXPECT_TRUE(std::ranges::equal(tensor.plane(1), scale));
}

TEST(Int4, ZeroPointsNeverRaiseTheError) {
  for (const char* group : {"32", "64", "128"}) {
    const Codec &plain = *find_codec(std::string("int4_g") + group),
                &affine = *find_codec(std::string("int4a_g") + group);
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      const Floats importance = lognormal(128, seed + 200);
      Floats weights = gaussian(128, 0.02, seed + 300);
      if (seed % 3 == 1) weights[seed] *= 20;
      if (seed % 3 == 2) weights[seed] = 0.3f;
      const double allowed = 1 + 1e-5;  // the search sums in float
      EXPECT_LE(encode(affine, weights, importance).error, encode(plain, weights, importance).error * allowed) << seed;
    }
    Floats positive = gaussian(1024, 0.02, 400);
    for (float& value : positive) value = std::abs(value);
    EXPECT_LT(relative_error(affine, positive), 0.5 * relative_error(plain, positive));
  }
}

// What the compressed-tensors package takes: the largest magnitude on 7.5 codes, rounded to bfloat16.
TEST(Int4, TheSearchedScaleBeatsTheScaleOfTheLargestWeight) {
  for (const std::size_t group : {std::size_t{32}, std::size_t{64}, std::size_t{128}}) {
    const Codec& codec = *find_codec("int4_g" + std::to_string(group));
    double found = 0, plain = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Floats weights = gaussian(group, 0.02, seed + 500);
      float largest = 0;
      for (const float value : weights) largest = std::max(largest, std::abs(value));
      const float scale = std::bit_cast<float>((std::bit_cast<std::uint32_t>(largest / 7.5f) + 0x8000u) & 0xffff0000u);
      Floats decoded(group);
      for (std::size_t k = 0; k < group; ++k)
        decoded[k] = scale * std::clamp(std::nearbyint(weights[k] / scale), -8.0f, 7.0f);
      const double error = encode(codec, weights).error, allowed = weighted_error(weights, decoded, {});
      EXPECT_LE(error, allowed * (1 + 1e-5));
      found += error;
      plain += allowed;
    }
    EXPECT_LT(found, 0.85 * plain) << group;
  }
}

TEST(Int4, StoresTheFirstCodeInTheLowBits) {
  Floats weights(32, 0.0f);
  for (std::size_t k = 0; k < 16; ++k) weights[k] = static_cast<float>(k) - 8;
  const PackedTensor plain = encode(*find_codec("int4_g32"), weights).tensor;
  const PackedTensor affine = encode(*find_codec("int4a_g32"), weights).tensor;
  for (std::size_t k = 0; k < 8; ++k) EXPECT_EQ(plain.plane(0)[k], static_cast<std::byte>((2 * k + 1) << 4 | 2 * k));
  EXPECT_EQ(plain.plane(0)[8], std::byte{0x88});
  EXPECT_TRUE(std::ranges::equal(plain.plane(1), std::vector{std::byte{0x80}, std::byte{0x3f}}));
  EXPECT_TRUE(std::ranges::equal(affine.plane(0), plain.plane(0)));
  EXPECT_TRUE(std::ranges::equal(affine.plane(2), std::vector{std::byte{8}}));
}

TEST(Int4, CountsZeroPointsInWholeWordsOfEightRows) {
  EXPECT_EQ(find_codec("int4a_g32")->stored_bytes(9, 64), 9 * 2 * (16 + 2) + 2 * 2 * 4);
  EXPECT_EQ(find_codec("int4_g32")->stored_bytes(9, 64), 9 * 2 * (16 + 2));
}

// Double quantization: every run of 256 scales holds dynamic 8-bit numbers times its largest.
TEST(Nf4Dq, SettlesScalesOverRunsThatCrossRows) {
  const Codec& codec = *find_codec("nf4_dq");
  EXPECT_EQ(codec.rows_together(192), 256u);
  EXPECT_EQ(codec.rows_together(512), 32u);
  EXPECT_EQ(codec.rows_together(1 << 20), 1u);
  const std::size_t rows = 100, cols = 192, run = 256;
  Floats weights = gaussian(rows * cols, 0.02, 600);
  for (std::size_t k = 0; k < cols; ++k) weights[50 * cols + k] = 0;
  PackedTensor tensor(codec, {rows, cols});
  encode_rows(codec, {weights.data(), rows, cols, cols}, {}, tensor.row(0));
  const auto scales = tensor.plane(1);
  for (std::size_t first = 0; first < scales.size(); first += run * 4) {
    const std::size_t end = std::min(scales.size(), first + run * 4);
    float largest = 0;
    for (std::size_t at = first; at < end; at += 4) largest = std::max(largest, load<float>(&scales[at]));
    for (std::size_t at = first; at < end; at += 4) {
      const float scale = load<float>(&scales[at]);
      EXPECT_EQ(dynamic8_values()[nearest_dynamic8(scale / largest)] * largest, scale) << at;
    }
  }
  PackedTensor plain(*find_codec("nf4"), {rows, cols});
  encode_rows(plain.codec(), {weights.data(), rows, cols, cols}, {}, plain.row(0));
  const auto error_of = [&](const PackedTensor& packed) {
    Floats decoded(weights.size());
    for (std::size_t i = 0; i < rows; ++i)
      decode_row(packed.codec(), packed.row(i), std::span(decoded).subspan(i * cols, cols));
    return weighted_error(weights, decoded, {});
  };
  const double error = error_of(tensor), unsettled = error_of(plain);
  EXPECT_GT(error, unsettled);
  EXPECT_LT(error, 1.02 * unsettled);
}

TEST(Nf4Dq, RowsThatAreWholeRunsCanBeEncodedApart) {
  const Codec& codec = *find_codec("nf4_dq");
  const std::size_t rows = 96, cols = 512, together = codec.rows_together(cols);
  const Floats weights = gaussian(rows * cols, 0.02, 601);
  PackedTensor whole(codec, {rows, cols}), parts(codec, {rows, cols});
  encode_rows(codec, {weights.data(), rows, cols, cols}, {}, whole.row(0));
  for (std::size_t i = 0; i < rows; i += together)
    encode_rows(codec, {weights.data() + i * cols, together, cols, cols}, {}, parts.row(i));
  for (std::size_t p = 0; p < 2; ++p) EXPECT_TRUE(std::ranges::equal(whole.plane(p), parts.plane(p)));
}

TEST(PackedTensor, RefusesRowsThatBlocksDoNotDivide) {
  EXPECT_THROW(PackedTensor(*find_codec("q4_k"), {1, 255}), Error);
  EXPECT_THROW(PackedTensor(*find_codec("int4_g64"), {1, 96}), Error);
  EXPECT_THROW(PackedTensor(*find_codec("f32"), {std::uint64_t{1} << 62, 16}), Error);
}

TEST(PackedTensor, RowsFollowEachOther) {
  PackedTensor tensor(*find_codec("int8_channel"), {3, 5});
  EXPECT_EQ(tensor.row(2)[0] - tensor.row(0)[0], 10);
  EXPECT_EQ(tensor.row(2)[1] - tensor.row(0)[1], 4);
}

}  // namespace
}  // namespace quern
