// Whatever an accident does to bytes changes their checksum.
#include "base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/random.h"

namespace quern {
namespace {

std::vector<std::byte> some_bytes(std::size_t count) {
  Random random(count);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
  return bytes;
}

TEST(Checksum, EveryBitCounts) {
  for (std::vector<std::byte> bytes :
       {some_bytes(1), some_bytes(63), some_bytes(64), some_bytes(200), std::vector<std::byte>(200)}) {
    const std::size_t count = bytes.size();
    std::set<std::uint64_t> seen{checksum_of(bytes)};
    for (std::size_t bit = 0; bit < 8 * count; ++bit) {
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
      EXPECT_TRUE(seen.insert(checksum_of(bytes)).second) << "bit " << bit << " of " << count << " bytes";
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
    }
    EXPECT_FALSE(seen.insert(checksum_of(bytes)).second);
  }
}

TEST(Checksum, LengthAndPlaceCount) {
  std::set<std::uint64_t> seen;
  for (std::size_t count = 0; count <= 1024; ++count)
    EXPECT_TRUE(seen.insert(checksum_of(std::vector<std::byte>(count))).second) << count << " zeros";
  std::vector<std::byte> bytes = some_bytes(1024);
  EXPECT_TRUE(seen.insert(checksum_of(bytes)).second);
  for (const std::size_t run : {1u, 16u, 64u, 512u}) {  // two neighbouring runs change places
    const auto by = static_cast<std::ptrdiff_t>(run);
    std::swap_ranges(bytes.begin(), bytes.begin() + by, bytes.begin() + by);
    EXPECT_TRUE(seen.insert(checksum_of(bytes)).second) << "runs of " << run;
    std::swap_ranges(bytes.begin(), bytes.begin() + by, bytes.begin() + by);
  }
}

}  // namespace
}  // namespace quern
