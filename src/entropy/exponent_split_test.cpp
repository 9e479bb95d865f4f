// Rows of floats through the lossless coder: every bit pattern comes back, sizes are as the entropy says, and damaged
// rows are refused or decode to other values.
#include "entropy/exponent_split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "base/fail.h"
#include "base/random.h"
#include "base/scalars.h"

namespace quern {
namespace {

using Bytes = std::vector<std::byte>;

const LosslessKind& kind_named(const char* name) {
  const LosslessKind* kind = find_lossless_kind(name);
  ensure(kind != nullptr, "no kind {}", name);
  return *kind;
}

Bytes pack(const LosslessKind& kind, std::size_t count, const std::function<std::uint32_t(std::size_t)>& bits) {
  Bytes out(count * kind.value_bytes);
  for (std::size_t k = 0; k < count; ++k) {
    const std::uint32_t value = bits(k);
    std::copy_n(reinterpret_cast<const std::byte*>(&value), kind.value_bytes, out.data() + k * kind.value_bytes);
  }
  return out;
}

// Bits of a float in a kind.
std::uint32_t rounded(const LosslessKind& kind, float value) {
  if (kind.value_bytes == sizeof(float)) return std::bit_cast<std::uint32_t>(value);
  return kind.name == std::string("bf16") ? f32_to_bf16(value) : f32_to_f16(value);
}

Bytes gaussian(const LosslessKind& kind, std::size_t count, double sigma = 0.02) {
  Random random(count);
  return pack(kind, count, [&](std::size_t) { return rounded(kind, static_cast<float>(sigma * random.normal())); });
}

Bytes any_bits(const LosslessKind& kind, std::size_t count) {
  Random random(count);
  return pack(kind, count, [&](std::size_t) { return static_cast<std::uint32_t>(random.next()); });
}

LosslessTable train(const LosslessKind& kind, ByteSpan values) {
  LosslessCounts counts(kind);
  count_values(values, counts);
  return train_lossless(counts);
}

// Codes rows of `cols` values, expects them back, and returns the bytes of all.
std::size_t round_trip(const LosslessTable& table, ByteSpan values, std::size_t cols) {
  const std::size_t row_bytes = cols * table.kind->value_bytes;
  std::size_t total = 0;
  for (std::size_t at = 0; at < values.size(); at += row_bytes) {
    const ByteSpan row = values.subspan(at, std::min(row_bytes, values.size() - at));
    Bytes coded{std::byte{42}};
    const std::size_t size = encode_lossless_row(table, row, coded);
    EXPECT_EQ(coded.size(), 1 + size);
    EXPECT_LE(size, row.size());
    Bytes decoded(row.size());
    decode_lossless_row(table, ByteSpan(coded).subspan(1), decoded);
    EXPECT_TRUE(std::ranges::equal(decoded, row));
    total += size;
  }
  return total;
}

double percent(const LosslessKind& kind, const Bytes& values, std::size_t cols) {
  return 100.0 * static_cast<double>(round_trip(train(kind, values), values, cols)) /
         static_cast<double>(values.size());
}

class LosslessTest : public testing::TestWithParam<const LosslessKind*> {
 protected:
  const LosslessKind& kind = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Kinds, LosslessTest, testing::ValuesIn([] {
                           std::vector<const LosslessKind*> out;
                           for (const LosslessKind& kind : lossless_kinds()) out.push_back(&kind);
                           return out;
                         }()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST_P(LosslessTest, KeepsEveryPatternOfTheUpper16Bits) {
  const int shift = kind.value_bytes == 4 ? 16 : 0;
  const Bytes all = pack(kind, 1 << 16, [&](std::size_t k) {
    return static_cast<std::uint32_t>(k << shift | (shift ? k * 40503 % 65536 : 0));
  });
  round_trip(train(kind, all), all, 4096);
  // The table of other weights: most symbols are escaped.
  round_trip(train(kind, gaussian(kind, 10000)), all, 4096);
  round_trip(train(kind, gaussian(kind, 10000)), all, 100);
}

TEST_P(LosslessTest, KeepsSpecialValues) {
  const int top = static_cast<int>(8 * kind.value_bytes) - 1;
  const std::uint32_t sign = 1u << top, infinity = rounded(kind, INFINITY);
  const std::vector<std::uint32_t> specials = {
      0, sign, infinity, infinity | sign, infinity | 1, sign - 1, 2 * sign - 1, infinity | 0x55, 1, sign | 1};
  Bytes values = gaussian(kind, 4096);
  const LosslessTable table = train(kind, values);
  const Bytes special = pack(kind, specials.size(), [&](std::size_t k) { return specials[k]; });
  for (const std::size_t at : {0, 77, 4000})
    std::ranges::copy(special, values.begin() + static_cast<std::ptrdiff_t>(at * kind.value_bytes));
  EXPECT_LT(round_trip(table, values, 4096), values.size() * 9 / 10);
  round_trip(table, special, 1);
}

TEST_P(LosslessTest, RowsOfAnyLength) {
  for (const std::size_t cols : {0, 1, 2, 3, 4, 5, 7, 255, 256, 257, 2047, 2048, 2049, 4095, 4096, 4099}) {
    const Bytes row = gaussian(kind, cols);
    const LosslessTable table = train(kind, gaussian(kind, 20000));
    round_trip(table, row, std::max<std::size_t>(cols, 1));
    round_trip(train(kind, row), row, std::max<std::size_t>(cols, 1));
    round_trip(table, any_bits(kind, cols), std::max<std::size_t>(cols, 1));
  }
}

TEST_P(LosslessTest, NeverTakesMoreThanTheValues) {
  const Bytes noise = any_bits(kind, 4096);
  const LosslessTable table = train(kind, noise);
  EXPECT_EQ(round_trip(table, noise, 4096), noise.size());
  EXPECT_EQ(serialise_lossless(table), Bytes(2 * kind.value_bytes));  // nothing is worth a table
  EXPECT_EQ(round_trip(train(kind, {}), gaussian(kind, 100), 100), 100 * kind.value_bytes);
}

TEST_P(LosslessTest, OneValueOnly) {
  const Bytes values = pack(kind, 4096, [&](std::size_t) { return rounded(kind, -0.37f); });
  EXPECT_LE(round_trip(train(kind, values), values, 4096), 40u);
}

TEST_P(LosslessTest, CountsAddUpFromAnyParts) {
  const Bytes values = gaussian(kind, 10007);
  const std::size_t cut = 4099 * kind.value_bytes;
  LosslessCounts first(kind), second(kind);
  count_values(ByteSpan(values).subspan(cut), first);
  count_values(ByteSpan(values).first(cut), second);
  merge_counts(first, second);
  EXPECT_EQ(serialise_lossless(train_lossless(second)), serialise_lossless(train(kind, values)));
}

TEST_P(LosslessTest, TablesComeBackAndDamagedOnesAreRefused) {
  const Bytes whole = serialise_lossless(train(kind, gaussian(kind, 10000)));
  EXPECT_EQ(serialise_lossless(parse_lossless(kind, whole)), whole);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(parse_lossless(kind, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), Error);
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_THROW(parse_lossless(kind, longer), Error);
}

TEST_P(LosslessTest, DamagedRowsAreRefusedOrDecodeToOtherValues) {
  const LosslessTable table = train(kind, gaussian(kind, 10000));
  for (const std::size_t cols : {100, 600, 2100}) {
    Bytes row = gaussian(kind, cols);
    row[kind.value_bytes - 1] = std::byte{0x7f};  // an exponent that the table lacks
    Bytes coded, decoded(row.size());
    encode_lossless_row(table, row, coded);
    ASSERT_LT(coded.size(), row.size());
    for (std::size_t size = 0; size < coded.size(); ++size) {
      const Bytes cut(coded.begin(), coded.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THROW(decode_lossless_row(table, cut, decoded), Error) << size;
    }
    std::size_t refused = 0;
    for (std::byte& changed : coded) {
      for (const int bit : {0, 5}) {
        changed ^= std::byte{1} << bit;
        try {
          decode_lossless_row(table, coded, decoded);
          EXPECT_FALSE(std::ranges::equal(decoded, row));
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kInput);
          ++refused;
        }
        changed ^= std::byte{1} << bit;
      }
    }
    EXPECT_GT(refused, cols / 4);
    EXPECT_THROW(decode_lossless_row(table, coded, std::span(decoded).first(decoded.size() / 2)), Error);
    decoded.resize(decoded.size() + kind.value_bytes);
    EXPECT_THROW(decode_lossless_row(table, coded, decoded), Error);
  }
}

TEST(Lossless, SizesOfGaussianWeights) {
  // Entropy of the exponent 2.55 bits; 10.55 of 16 and 26.55 of 32 are 65.9% and 83.0%. The upper 8 bits of 15 of f16
  // hold 3 bits of the fraction.
  const auto values_of = [](const char* name) { return gaussian(kind_named(name), 1 << 18); };
  EXPECT_NEAR(percent(kind_named("bf16"), values_of("bf16"), 2048), 66.2, 0.2);
  EXPECT_NEAR(percent(kind_named("f16"), values_of("f16"), 2048), 84.4, 0.2);
  EXPECT_NEAR(percent(kind_named("f32"), values_of("f32"), 2048), 83.1, 0.2);
  EXPECT_NEAR(percent(kind_named("bf16"), values_of("bf16"), 128), 67.1, 0.3);
}

TEST(Lossless, WhatBfloat16LeftEmptyInF32CostsNothing) {
  const LosslessKind& f32 = kind_named("f32");
  Bytes values = gaussian(f32, 1 << 16);
  for (std::size_t k = 0; k < values.size(); k += 4) values[k] = values[k + 1] = std::byte{0};
  EXPECT_NEAR(percent(f32, values, 2048), 66.2 / 2, 0.2);
}

TEST(Lossless, StaysCloseToTheEntropyOfTheExponents) {
  const LosslessKind& bf16 = kind_named("bf16");
  const Bytes values = gaussian(bf16, 1 << 18);
  std::array<double, 256> counts{};
  for (std::size_t k = 0; k < values.size(); k += 2) ++counts[load<std::uint16_t>(values.data() + k) >> 7 & 255];
  double bits = 8.0 * (1 << 18);
  for (const double n : counts)
    if (n > 0) bits += n * (18 - std::log2(n));
  const std::size_t coded = round_trip(train(bf16, values), values, 2048);
  EXPECT_GE(static_cast<double>(coded), bits / 8);
  EXPECT_LE(static_cast<double>(coded), 1.001 * bits / 8 + 128 * 12);  // 12 bytes a row
}

TEST(Lossless, KindsAreFoundByName) {
  for (const LosslessKind& kind : lossless_kinds()) EXPECT_EQ(find_lossless_kind(kind.name), &kind);
  EXPECT_EQ(find_lossless_kind("f64"), nullptr);
  LosslessCounts bf16(kind_named("bf16"));
  EXPECT_THROW(count_values(Bytes(3), bf16), Error);
  LosslessCounts f16(kind_named("f16"));
  EXPECT_THROW(merge_counts(bf16, f16), Error);
}

}  // namespace
}  // namespace quern
