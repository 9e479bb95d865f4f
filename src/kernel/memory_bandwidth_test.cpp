// The measurement ends, is plausible, and takes what it was given.
#include "kernel/memory_bandwidth.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(MemoryBandwidth, IsThatOfAMachine) {
  ThreadPool pool(2);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{16} << 20}) {
    const double rate = memory_read_bandwidth(pool, {bytes, 3});
    EXPECT_GT(rate, 0.05) << bytes;  // GB/s; a slower machine is none
    EXPECT_LT(rate, 1e5) << bytes;
  }
  EXPECT_GT(memory_read_bandwidth(pool, {std::size_t{4} << 20, 0}), 0.05);  // one pass at least
}

}  // namespace
}  // namespace quern
