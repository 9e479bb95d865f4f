// Tables and streams of rANS: golden bytes of an implementation in Python with whole numbers of any size, the entropy
// as a bound, and what damaged bytes do.
#include "entropy/rans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string_view>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

using Symbols = std::vector<std::uint8_t>;

SymbolCounts count(std::span<const std::uint8_t> symbols) {
  SymbolCounts counts{};
  for (const std::uint8_t symbol : symbols) ++counts[symbol];
  return counts;
}

Symbols symbols_of(std::string_view text) { return {text.begin(), text.end()}; }

// Exponents of Gaussian weights look like this: each symbol is half as likely as the one before.
Symbols geometric(std::size_t size, std::uint64_t seed) {
  Random random(seed);
  Symbols out(size);
  for (std::uint8_t& symbol : out) symbol = static_cast<std::uint8_t>(120 + std::log2(1 - random.uniform()));
  return out;
}

double entropy_bits(const SymbolCounts& counts) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  double bits = 0;
  for (const std::uint64_t n : counts)
    if (n > 0) bits -= static_cast<double>(n) * std::log2(static_cast<double>(n) / total);
  return bits;
}

std::vector<std::byte> encode(const FrequencyTable& table, const Symbols& symbols,
                              std::span<const std::uint16_t> carried = {}) {
  std::vector<std::byte> out;
  const SymbolRun run{&table, symbols};
  rans_encode({&run, 1}, carried, out);
  return out;
}

Symbols decode(const FrequencyTable& table, ByteSpan coded, std::size_t size, std::span<std::uint16_t> carried = {}) {
  Symbols out(size);
  const DecodedRun run{&table, out};
  rans_decode(coded, {&run, 1}, carried);
  return out;
}

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

TEST(FrequencyTable, RoundsCountsToPartsOf4096) {
  SymbolCounts counts{};
  counts['a'] = counts['b'] = 1000;
  counts['c'] = 2000;
  // 1024, 1024, 2048 and 1 for the escape symbol are one too many; taking it from c costs least.
  const FrequencyTable table = FrequencyTable::from_counts(counts);
  EXPECT_EQ(table.escape(), 0);
  EXPECT_EQ(table.serialise(), bytes({0, 1, 0, 95, 0x80, 8, 0x80, 8, 0xff, 15, 0, 155}));
}

TEST(FrequencyTable, SumsTo4096AndHasEverySymbol) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    SymbolCounts counts{};
    for (std::uint64_t& n : counts) n = static_cast<std::uint64_t>(std::exp(seed * random.uniform())) - 1;
    const FrequencyTable table = FrequencyTable::from_counts(counts);
    std::uint32_t sum = 0;
    for (std::size_t s = 0; s < 256; ++s) {
      const std::uint32_t frequency = table.frequency(static_cast<std::uint8_t>(s));
      sum += frequency;
      EXPECT_TRUE(frequency > 0 || counts[s] == 0) << s;
    }
    EXPECT_EQ(sum, 4096u);
    EXPECT_GT(table.frequency(table.escape()), 0u);
    EXPECT_EQ(FrequencyTable::parse(table.serialise()).serialise(), table.serialise());
  }
}

TEST(FrequencyTable, OfNothingAndOfOneSymbol) {
  const FrequencyTable nothing = FrequencyTable::from_counts({});
  EXPECT_EQ(nothing.frequency(nothing.escape()), 4096u);
  EXPECT_EQ(decode(nothing, encode(nothing, symbols_of("any")), 3), symbols_of("any"));
  const FrequencyTable zeros = FrequencyTable::from_counts(count(Symbols(1000, 0)));
  EXPECT_EQ(zeros.frequency(0), 4095u);
  EXPECT_EQ(zeros.escape(), 1);
  EXPECT_LE(encode(zeros, Symbols(10000, 0)).size(), 36u);
}

TEST(FrequencyTable, RefusesWhatItWouldNotWrite) {
  const auto whole = FrequencyTable::from_counts(count(geometric(5000, 1))).serialise();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(FrequencyTable::parse(ByteSpan(whole).first(size)), Error) << size;
  auto longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_THROW(FrequencyTable::parse(longer), Error);
  EXPECT_THROW(FrequencyTable::parse(bytes({0, 0x80, 32, 0, 255})), Error);           // 257 symbols
  EXPECT_THROW(FrequencyTable::parse(bytes({1, 0x80, 32, 0, 254})), Error);           // escape does not occur
  EXPECT_THROW(FrequencyTable::parse(bytes({0, 0x80, 31, 0, 254})), Error);           // 3968
  EXPECT_THROW(FrequencyTable::parse(bytes({0, 0x80, 32, 1, 0, 253})), Error);        // 4097
  EXPECT_THROW(FrequencyTable::parse(bytes({0, 0x80, 32, 0, 100, 0, 153})), Error);   // one run of zeros cut in two
  EXPECT_THROW(FrequencyTable::parse(bytes({0, 0xff, 31, 0x81, 0, 0, 253})), Error);  // 1 in two bytes
  EXPECT_NO_THROW(FrequencyTable::parse(bytes({0, 0x80, 32, 0, 254})));
}

TEST(Rans, WritesTheBytesOfTheReference) {
  const FrequencyTable table = FrequencyTable::from_counts(count(symbols_of("abracadabra")));
  // The comma and the space are escaped.
  const Symbols text = symbols_of("abracadabra, abracadabra");
  const auto coded = encode(table, text);
  EXPECT_EQ(coded, bytes({0x42, 0x80, 0x1d, 0x00, 0x9e, 0x05, 0x71, 0x05, 0x06, 0x56, 0x04, 0x7b, 0x20, 0x2c}));
  EXPECT_EQ(decode(table, coded, text.size()), text);
}

TEST(Rans, WritesTheBytesOfTheReferenceWithFourStates) {
  Symbols symbols(300);
  for (std::size_t k = 0; k < symbols.size(); ++k) symbols[k] = static_cast<std::uint8_t>(k * k * 7 % 11);
  const FrequencyTable table = FrequencyTable::from_counts(count(symbols));
  const std::array<std::uint16_t, 3> carried = {1, 0xffff, 0x1234};
  const auto coded = encode(table, symbols, carried);
  ASSERT_EQ(coded.size(), 106u);
  EXPECT_EQ(std::vector(coded.begin(), coded.begin() + 24),
            bytes({0xc7, 0x50, 0xf3, 0xb3, 0x3c, 0x5a, 0x01, 0x00, 0xd6, 0x65, 0x41, 0xcb,
                   0xb8, 0xbb, 0xf7, 0xb4, 0x33, 0xad, 0x6b, 0xa4, 0xdc, 0xb1, 0x60, 0xcf}));
  std::array<std::uint16_t, 3> back{};
  EXPECT_EQ(decode(table, coded, symbols.size(), back), symbols);
  EXPECT_EQ(back, carried);
}

TEST(Rans, ComesCloseToTheEntropy) {
  for (const std::size_t size : {255, 256, 2047, 2048, 100000}) {
    const Symbols symbols = geometric(size, size);
    const SymbolCounts counts = count(symbols);
    const FrequencyTable table = FrequencyTable::from_counts(counts);
    const double bound = entropy_bits(counts) / 8, coded = static_cast<double>(encode(table, symbols).size());
    EXPECT_GE(coded, bound);
    EXPECT_LE(coded, 1.005 * bound + 3.5 * static_cast<double>(rans_lanes(size)) + 3) << size;
    EXPECT_NEAR(table.expected_bits(counts) / 8, bound, 0.005 * bound + 3);
  }
}

TEST(Rans, CodesEverySymbolWithEveryTable) {
  Symbols all(256);
  std::iota(all.begin(), all.end(), std::uint8_t{0});
  const FrequencyTable flat = FrequencyTable::from_counts(count(all)), narrow = FrequencyTable::from_counts(count({}));
  for (const FrequencyTable* table : {&flat, &narrow}) EXPECT_EQ(decode(*table, encode(*table, all), 256), all);
}

TEST(Rans, RunsHaveTablesOfTheirOwn) {
  const Symbols first = geometric(1000, 1), second = symbols_of("abracadabra"), third = {};
  const FrequencyTable a = FrequencyTable::from_counts(count(first)), b = FrequencyTable::from_counts(count(second));
  std::vector<std::byte> coded;
  const std::array<SymbolRun, 3> runs = {{{&a, first}, {&b, second}, {&a, third}}};
  rans_encode(runs, {}, coded);
  Symbols one(first.size()), two(second.size());
  const std::array<DecodedRun, 3> decoded = {{{&a, one}, {&b, two}, {&a, {}}}};
  rans_decode(coded, decoded, {});
  EXPECT_EQ(one, first);
  EXPECT_EQ(two, second);
}

TEST(Rans, RefusesTruncatedAndExtendedStreams) {
  for (const std::size_t size : {0, 1, 100, 300, 2500}) {
    const Symbols symbols = geometric(size, 3);
    const FrequencyTable table = FrequencyTable::from_counts(count(symbols));
    auto coded = encode(table, symbols);
    for (std::size_t kept = 0; kept < coded.size(); ++kept) {
      const std::vector<std::byte> cut(coded.begin(), coded.begin() + static_cast<std::ptrdiff_t>(kept));
      EXPECT_THROW(decode(table, cut, size), Error);
    }
    coded.push_back(std::byte{0});
    EXPECT_THROW(decode(table, coded, size), Error);
  }
}

TEST(Rans, NoticesChangedBytes) {
  const Symbols symbols = geometric(2500, 4);
  const FrequencyTable table = FrequencyTable::from_counts(count(symbols));
  auto coded = encode(table, symbols);
  for (std::byte& changed : coded) {
    changed ^= std::byte{0x10};
    EXPECT_THROW(decode(table, coded, symbols.size()), Error);  // every state returns to 2^16: 128 bits of check
    changed ^= std::byte{0x10};
  }
}

}  // namespace
}  // namespace quern
