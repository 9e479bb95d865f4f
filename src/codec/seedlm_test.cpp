// SeedLM as bytes: their layout and number, what is refused, and hard rows.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "codec/packed_tensor.h"
#include "entropy/rans.h"
#include "quern/error.h"

namespace quern {
namespace {

using Floats = std::vector<float>;

constexpr const char* kPlain[] = {"seedlm_4", "seedlm_4_paper", "seedlm_3"};
constexpr const char* kWeighted[] = {"seedlm_4w", "seedlm_3w"};
constexpr const char* kAll[] = {"seedlm_4", "seedlm_4_paper", "seedlm_3", "seedlm_4w", "seedlm_3w"};

Floats gaussian(std::size_t count, double sigma, std::uint64_t seed) {
  Random random(seed);
  Floats out(count);
  for (float& value : out) value = static_cast<float>(sigma * random.normal());
  return out;
}

MatrixView rows_of(const Floats& weights, std::size_t cols) {
  return {weights.data(), weights.size() / cols, cols, cols};
}

Floats decoded(const PackedTensor& tensor) {
  const std::size_t cols = tensor.layout().cols;
  Floats out(tensor.layout().rows * cols);
  for (std::size_t i = 0; i < tensor.layout().rows; ++i)
    decode_row(tensor.codec(), std::as_const(tensor).row(i), std::span(out).subspan(i * cols, cols));
  return out;
}

double weighted_error(const Floats& weights, const Floats& found, const Floats& importance = {}) {
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double off = static_cast<double>(weights[k]) - found[k];
    sum += (importance.empty() ? 1.0 : importance[k % importance.size()]) * off * off;
  }
  return sum;
}

double relative_error(const char* codec, const Floats& weights, std::size_t cols) {
  return weighted_error(weights, decoded(encode_tensor(*find_codec(codec), rows_of(weights, cols)))) /
         weighted_error(weights, Floats(weights.size()));
}

// Error(kInput), and nothing else.
void expect_refused(const std::function<void()>& read, const std::string& what) {
  try {
    read();
    ADD_FAILURE() << what << " was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << what << ": " << error.what();
  }
}

TEST(Seedlm, TakesExactlyFourAndThreeBitsAWeight) {
  const Floats weights = gaussian(4 * 768, 0.02, 1);
  for (const auto& [name, bits] : {std::pair{"seedlm_4", 4}, {"seedlm_4_paper", 4}, {"seedlm_3", 3}}) {
    const PackedTensor tensor = encode_tensor(*find_codec(name), rows_of(weights, 768));
    EXPECT_EQ(tensor.plane(0).size(), 4u * 768 * static_cast<unsigned>(bits) / 8) << name;
    EXPECT_EQ(tensor.plane(1).size(), 1u) << name;
  }
}

TEST(Seedlm, PadsTheLastVectorAndTheLastByteOfARow) {
  const Codec &four = *find_codec("seedlm_4"), &three = *find_codec("seedlm_3");
  EXPECT_EQ(four.row_bytes(8), 4u);
  EXPECT_EQ(four.row_bytes(9), 8u);
  EXPECT_EQ(three.row_bytes(24), 9u);
  EXPECT_EQ(three.row_bytes(12), 5u);     // 36 bits
  EXPECT_EQ(three.row_bytes(26), 14u);    // 108 bits
  EXPECT_EQ(three.row_bytes(512), 194u);  // 43 vectors
  EXPECT_TRUE(four.divides(7));
  EXPECT_TRUE(three.divides(14));
  EXPECT_FALSE(three.divides(13));
}

TEST(Seedlm, KeepsRowsThatNoVectorDivides) {
  for (const char* name : kAll) {
    for (const std::size_t cols : {2, 10, 22, 26, 58}) {
      const Floats weights = gaussian(5 * cols, 0.02, cols);
      const PackedTensor tensor = encode_tensor(*find_codec(name), rows_of(weights, cols));
      EXPECT_LT(weighted_error(weights, decoded(tensor)), 0.2 * weighted_error(weights, Floats(weights.size())))
          << name << " " << cols;
    }
  }
}

// Seed 4, exponent -2, coefficients 1, 0, -8 of a tensor whose exponent is 3: the states that follow seed 4 in the
// register of 16 bits with taps 0, 1, 3 and 12, three a row.
TEST(Seedlm, DecodesTheDocumentedBits) {
  const Codec& codec = *find_codec("seedlm_4");
  const std::vector<std::byte> side(1, std::byte{3});
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, side));
  const std::byte bytes[] = {std::byte{4}, std::byte{0}, std::byte{0x1e}, std::byte{0x80}};
  Floats found(8);
  decode_row(*trained, {bytes}, found);
  unsigned state = 4;
  for (std::size_t c = 0; c < 8; ++c) {
    double value = 0;
    for (const int coefficient : {1, 0, -8}) {
      const unsigned bit = (state ^ state >> 1 ^ state >> 3 ^ state >> 12) & 1;
      state = state >> 1 | bit << 15;
      value += coefficient * (static_cast<int>(state) - 32768);
    }
    EXPECT_FLOAT_EQ(found[c], static_cast<float>(value / 32767 * 2)) << c;
  }
}

TEST(Seedlm, GoesOnAtTheNextBitAfterAVectorOf36) {
  const Floats weights = gaussian(36, 0.02, 3);
  const PackedTensor tensor = encode_tensor(*find_codec("seedlm_3"), rows_of(weights, 36));
  const auto plane = tensor.plane(0);
  ASSERT_EQ(plane.size(), 14u);  // 108 bits
  std::byte second[5];           // bits 36 to 71
  for (std::size_t k = 0; k < 5; ++k) second[k] = plane[4 + k] >> 4 | (k < 4 ? plane[5 + k] << 4 : std::byte{0});
  Floats whole = decoded(tensor), part(12);
  decode_row(tensor.codec(), {second}, part);
  EXPECT_EQ(part, Floats(whole.begin() + 12, whole.begin() + 24));
}

TEST(Seedlm, HasTheGaussianErrorWithTheBitsThatItsBytesHave) {
  const Floats weights = gaussian(16 * 3072, 0.02, 4);
  EXPECT_LE(relative_error("seedlm_4", weights, 3072), 1.02 * 0.0152);
  EXPECT_LE(relative_error("seedlm_3", weights, 3072), 1.02 * 0.0507);
  EXPECT_NEAR(relative_error("seedlm_4_paper", weights, 3072), 0.0363, 0.03 * 0.0363);
  const PackedTensor coded = encode_tensor(*find_codec("seedlm_4w"), rows_of(weights, 3072)),
                     plain = encode_tensor(*find_codec("seedlm_4"), rows_of(weights, 3072));
  EXPECT_EQ(decoded(coded), decoded(plain));  // without importance they differ in their coding alone
  EXPECT_LT(static_cast<double>(coded.bytes()), 0.93 * static_cast<double>(plain.bytes()));
}

TEST(Seedlm, HasRoomForSmallAndLargeWeights) {
  const double usual = relative_error("seedlm_4", gaussian(1024, 1, 5), 1024);
  for (const double sigma : {0x1p-10, 0x1p-30, 0x1p-100, 0x1p30, 0x1p100})
    EXPECT_NEAR(relative_error("seedlm_4", gaussian(1024, sigma, 5), 1024), usual, 1e-6) << sigma;
}

// An outlier of 1e4 standard deviations takes the exponents up, of which the others need the lowest.
TEST(Seedlm, OutliersOf1e4StandardDeviationsLeaveTheOthers) {
  for (const char* name : kAll) {
    Floats weights = gaussian(512, 1, 6);
    weights[100] = 1e4f;
    const Floats found = decoded(encode_tensor(*find_codec(name), rows_of(weights, 512)));
    EXPECT_NEAR(found[100], 1e4f, 2e3f) << name;
    Floats rest = weights, rest_found = found;
    for (Floats* row : {&rest, &rest_found}) row->erase(row->begin() + 96, row->begin() + 108);
    EXPECT_LT(weighted_error(rest, rest_found), 0.15 * weighted_error(rest, Floats(rest.size()))) << name;
  }
}

TEST(Seedlm, ZerosAreSeedOneWithoutCoefficients) {
  const PackedTensor tensor = encode_tensor(*find_codec("seedlm_4"), rows_of(Floats(16, 0.0f), 16));
  for (std::size_t k = 0; k < 8; k += 4) EXPECT_EQ(load<std::uint32_t>(&tensor.plane(0)[k]), 0x00080001u);
}

TEST(Seedlm, RefusesASeedOfZero) {
  for (const char* name : kPlain) {
    PackedTensor tensor = encode_tensor(*find_codec(name), rows_of(gaussian(48, 1, 7), 48));
    std::memset(tensor.plane(0).data(), 0, 2);
    expect_refused([&] { decoded(tensor); }, name);
  }
}

TEST(Seedlm, RefusesAnExponentThatNoTensorHas) {
  for (const char* name : kPlain) {
    const Codec& codec = *find_codec(name);
    const std::vector<std::byte> too_long(2), too_large(1, std::byte{116});
    expect_refused([&] { codec.load_tensor_side(codec, too_long); }, name);
    expect_refused([&] { codec.load_tensor_side(codec, too_large); }, name);
    expect_refused([&] { codec.load_tensor_side(codec, {}); }, name);
  }
}

std::vector<std::byte> first_row(const PackedTensor& tensor) {
  const auto row = measured_row(tensor.row(0));
  return {row.begin(), row.end()};
}

TEST(SeedlmWeighted, RefusesRowsThatAreNone) {
  for (const char* name : kWeighted) {
    const std::size_t cols = 480;
    const PackedTensor tensor = encode_tensor(*find_codec(name), rows_of(gaussian(cols, 0.02, 8), cols));
    const std::vector<std::byte> row = first_row(tensor);
    Floats out(cols);
    const auto read = [&](const std::vector<std::byte>& bytes) {
      tensor.codec().unpack_row(tensor.codec(), bytes, out);
    };
    EXPECT_NO_THROW(read(row));
    for (std::size_t size = 0; size < row.size(); ++size)
      expect_refused([&] { read({row.begin(), row.begin() + static_cast<std::ptrdiff_t>(size)}); },
                     std::string(name) + " cut to " + std::to_string(size));
    std::vector<std::byte> longer = row, no_seed = row;
    longer.push_back(std::byte{0});
    expect_refused([&] { read(longer); }, name);
    no_seed[0] = no_seed[1] = std::byte{0};
    expect_refused([&] { read(no_seed); }, name);
  }
}

// A table whose escape symbol is taken for every symbol gives bytes that no exponent is.
TEST(SeedlmWeighted, RefusesASymbolOutsideItsTable) {
  const Codec& codec = *find_codec("seedlm_4w");
  SymbolCounts counts{};
  counts[200] = 1;
  const std::vector<std::byte> table = FrequencyTable::from_counts(counts).serialise();
  std::vector<std::byte> side(3);
  store(&side[1], static_cast<std::uint16_t>(table.size()));
  for (int k = 0; k < 2; ++k) side.insert(side.end(), table.begin(), table.end());
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, side));
  const std::vector<std::uint8_t> exponents(1, 200), coefficients(3, 200);
  const FrequencyTable outside = FrequencyTable::parse(table);
  std::vector<std::byte> row = {std::byte{1}, std::byte{0}};
  const SymbolRun runs[] = {{&outside, exponents}, {&outside, coefficients}};
  rans_encode(runs, {}, row);
  Floats out(8);
  expect_refused([&] { trained->unpack_row(*trained, row, out); }, "a symbol of 200");
}

TEST(SeedlmWeighted, RefusesTablesThatAreNone) {
  for (const char* name : kWeighted) {
    const Codec& codec = *find_codec(name);
    const PackedTensor tensor = encode_tensor(codec, rows_of(gaussian(480, 0.02, 9), 480));
    const auto plane = tensor.plane(2);
    const std::vector<std::byte> table(plane.begin(), plane.end());
    EXPECT_EQ(codec.load_tensor_side(codec, table)->serialise(), table);
    for (std::size_t size = 0; size < table.size(); ++size)
      expect_refused([&] { codec.load_tensor_side(codec, std::span(table).first(size)); }, name);
    std::vector<std::byte> too_large = table;
    too_large[0] = std::byte{127};
    expect_refused([&] { codec.load_tensor_side(codec, too_large); }, name);
  }
}

TEST(SeedlmWeighted, ServesWhatMattersBetterThanThePlainForm) {
  const std::size_t cols = 96;
  const Floats weights = gaussian(64 * cols, 0.02, 10);
  Floats importance = gaussian(cols, 1, 11);
  for (float& value : importance) value = std::exp(1.5f * value);
  for (const auto& [name, plain_name] : {std::pair{"seedlm_4w", "seedlm_4"}, {"seedlm_3w", "seedlm_3"}}) {
    const PackedTensor weighted = encode_tensor(*find_codec(name), rows_of(weights, cols), importance),
                       plain = encode_tensor(*find_codec(plain_name), rows_of(weights, cols), importance);
    const double served = weighted_error(weights, decoded(weighted), importance);
    EXPECT_LT(served, 0.75 * weighted_error(weights, decoded(plain), importance)) << name;
  }
}

// The table is learnt from a sample that neither the order nor the cut of rows changes.
TEST(SeedlmWeighted, LearnsTheSameTableFromAnyCut) {
  const std::size_t cols = 120;
  const Floats weights = gaussian(40 * cols, 0.02, 12);
  for (const char* name : kWeighted) {
    const Codec& codec = *find_codec(name);
    const auto whole = codec.train(codec), first = codec.train(codec), last = codec.train(codec);
    whole->observe(rows_of(weights, cols), {});
    first->observe({weights.data(), 13, cols, cols}, {});
    last->observe({weights.data() + 13 * cols, 27, cols, cols}, {});
    last->merge(*first);
    EXPECT_EQ(whole->finish()->serialise(), last->finish()->serialise()) << name;
  }
}

}  // namespace
}  // namespace quern
