// Numbers of every width against a reader of single bits.
#include "codec/packed_numbers.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

using Order = PackedNumbers::Order;

std::uint32_t number_at(const std::vector<std::byte>& row, Order order, std::size_t first, unsigned bits) {
  std::uint32_t number = 0;
  for (std::size_t k = 0; k < bits; ++k) {
    const std::size_t at = first + k, within = at % 8;
    const unsigned bit =
        std::to_integer<unsigned>(row[at / 8]) >> (order == Order::kLowFirst ? within : 7 - within) & 1;
    number |= bit << (order == Order::kLowFirst ? k : bits - 1 - k);
  }
  return number;
}

TEST(PackedNumbers, AreReadAsTheirBitsSay) {
  Random random(1);
  for (const Order order : {Order::kLowFirst, Order::kHighFirst})
    for (unsigned bits = 1; bits <= 24; ++bits)
      for (unsigned skipped = 0; skipped < 8; ++skipped)
        for (const std::size_t count : {0, 1, 7, 8, 9, 41, 160}) {
          std::vector<std::byte> row((skipped + count * bits + 7) / 8);
          for (std::byte& byte : row) byte = static_cast<std::byte>(random.below(256));
          const std::size_t whole = row.empty() ? 0 : (8 * row.size() - skipped) / bits;
          std::vector<std::uint32_t> numbers(round_up(count, 8) + 8, 1);
          PackedNumbers(order, bits, skipped).read(row, numbers);
          for (std::size_t i = 0; i < numbers.size(); ++i)
            ASSERT_EQ(numbers[i], i < whole ? number_at(row, order, skipped + i * bits, bits) : 0)
                << i << " of " << count << " of " << bits << " bits behind " << skipped;
        }
}

TEST(PackedNumbers, OfMoreBitsThanAWordHoldsAreRefused) {
  EXPECT_THROW(PackedNumbers(Order::kLowFirst, 25), Error);
  EXPECT_THROW(PackedNumbers(Order::kLowFirst, 0), Error);
}

}  // namespace
}  // namespace quern
