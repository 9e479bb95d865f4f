// Every task runs once, whatever the number of threads, and failures do not depend on timing.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace quern {
namespace {

class ThreadPoolTest : public testing::TestWithParam<unsigned> {};

TEST_P(ThreadPoolTest, RunsEveryIndexOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (const std::size_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> hits(count);
    pool.run(count, [&](std::size_t i) { ++hits[i]; });
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(hits[i], 1) << i << " of " << count;
  }
}

TEST_P(ThreadPoolTest, SurvivesManyRuns) {
  ThreadPool pool(GetParam());
  std::atomic<std::size_t> sum = 0;
  for (std::size_t run = 0; run < 3000; ++run) pool.run(run % 5, [&](std::size_t i) { sum += i + 1; });
  EXPECT_EQ(sum, 600u * (0 + 1 + 3 + 6 + 10));
}

// Runs that come while the others spin, after they fell asleep, and as they fall asleep.
TEST_P(ThreadPoolTest, RunsAfterPausesOfAnyLength) {
  ThreadPool pool(GetParam());
  std::size_t expected = 0;
  std::atomic<std::size_t> sum = 0;
  for (const int microseconds : {0, 10, 90, 100, 110, 130, 500, 2000}) {
    for (int run = 0; run < 20; ++run) {
      pool.run(9, [&](std::size_t i) { sum += i; });
      ASSERT_EQ(sum, expected += 36);
      std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    }
  }
}

TEST_P(ThreadPoolTest, WaitsForTheLongestTask) {
  ThreadPool pool(GetParam());
  for (int run = 0; run < 5; ++run) {
    std::atomic<int> finished = 0;
    pool.run(16, [&](std::size_t i) {
      if (i == 15) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ++finished;
    });
    ASSERT_EQ(finished, 16);
  }
}

TEST_P(ThreadPoolTest, RethrowsTheExceptionOfTheLowestIndex) {
  ThreadPool pool(GetParam());
  for (int run = 0; run < 50; ++run) {
    std::atomic<int> ran = 0;
    try {
      pool.run(100, [&](std::size_t i) {
        ++ran;
        if (i % 10 == 7) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "7");
    }
    EXPECT_EQ(ran, 100);
  }
  pool.run(10, [](std::size_t) {});  // the failure is not thrown again
}

TEST_P(ThreadPoolTest, WritesOfTasksAreSeenByTheCaller) {
  ThreadPool pool(GetParam());
  std::vector<int> plain(5000);
  pool.run(plain.size(), [&](std::size_t i) { plain[i] = static_cast<int>(i); });
  EXPECT_EQ(std::accumulate(plain.begin(), plain.end(), 0), 4999 * 5000 / 2);
}

TEST_P(ThreadPoolTest, PiecesDependOnlyOnCountAndGrain) {
  ThreadPool pool(GetParam());
  std::vector<std::size_t> ends(10, 0);
  parallel_for(pool, 10, 4, [&](std::size_t begin, std::size_t end) { ends[begin] = end; });
  EXPECT_EQ(ends, (std::vector<std::size_t>{4, 0, 0, 0, 8, 0, 0, 0, 10, 0}));
}

using Split = void (*)(ThreadPool&, std::size_t, std::size_t, const std::function<void(std::size_t, std::size_t)>&);

void expect_each_once(ThreadPool& pool, Split split) {
  for (const std::size_t grain :
       {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::numeric_limits<std::size_t>::max()}) {
    std::vector<std::atomic<int>> hits(101);
    split(pool, hits.size(), grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) ++hits[i];
    });
    for (const auto& hit : hits) EXPECT_EQ(hit, 1);
  }
  split(pool, 0, 4, [](std::size_t, std::size_t) { FAIL(); });
}

TEST_P(ThreadPoolTest, AnyGrainCoversTheRange) {
  ThreadPool pool(GetParam());
  expect_each_once(pool, parallel_for);
  expect_each_once(pool, parallel_shares);
}

TEST_P(ThreadPoolTest, SharesGoOnWhereTheyStopped) {
  ThreadPool pool(GetParam());
  std::vector<std::size_t> ends(100, 0);
  parallel_shares(pool, ends.size(), 7, [&](std::size_t begin, std::size_t end) { ends[begin] = end; });
  for (std::size_t at = 0; at < ends.size(); at = ends[at]) ASSERT_GT(ends[at], at);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1u, 2u, 8u));

TEST(ThreadPool, ZeroMeansAsManyAsTheProcessMayUse) { EXPECT_GE(ThreadPool().threads(), 1u); }

}  // namespace
}  // namespace quern
