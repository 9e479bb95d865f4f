// Blocks below, at and above one large page.
#include "base/large_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace quern {
namespace {

constexpr std::size_t kPage = std::size_t{2} << 20;

TEST(LargePages, BlocksOfAPageAndMoreAreAlignedToIt) {
  for (const std::size_t bytes : {kPage, kPage + 1, 3 * kPage}) {
    void* memory = allocate_large(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % kPage, 0u) << bytes;
    static_cast<char*>(memory)[bytes - 1] = 1;
    free_large(memory, bytes);
  }
}

TEST(LargePages, AVectorHoldsItsValues) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, kPage, 2 * kPage + 7}) {
    std::vector<char, LargePageAllocator<char>> values(size, 'q');
    EXPECT_EQ(std::count(values.begin(), values.end(), 'q'), static_cast<std::ptrdiff_t>(size));
  }
}

TEST(LargePages, TooMuchIsBadAlloc) {
  EXPECT_THROW(allocate_large(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  EXPECT_THROW(LargePageAllocator<double>().allocate(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
}

}  // namespace
}  // namespace quern
