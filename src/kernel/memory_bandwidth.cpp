// Every thread sums pieces of one buffer, in vectors, with the prefetching that the kernels use.
#include "kernel/memory_bandwidth.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <vector>

#include "base/elapsed.h"
#include "base/fail.h"

namespace quern {
namespace {

using Words = std::uint64_t __attribute__((vector_size(32)));
constexpr std::size_t kWordsALine = 2, kPrefetchLines = 64, kStreams = 4;
constexpr std::size_t kPiece = std::size_t{1} << 16;  // vectors: 2 MB a task

// Four streams at a time, as the kernels read four rows: one stream alone leaves the processor waiting at each page.
std::uint64_t sum_of(const Words* words, std::size_t count) {
  const std::size_t quarter = count / kStreams;
  Words sums[kStreams] = {};
  for (std::size_t i = 0; i < quarter; i += kWordsALine) {
    for (std::size_t s = 0; s < kStreams; ++s) {
      const Words* at = words + s * quarter + i;
      __builtin_prefetch(at + kWordsALine * kPrefetchLines);
      sums[s] += at[0] + at[1];
    }
  }
  const Words all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return all[0] + all[1] + all[2] + all[3];
}

std::size_t quarter_of_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0) return std::size_t{1} << 28;
  return static_cast<std::size_t>(pages) / 4 * static_cast<std::size_t>(size);
}

std::vector<Words> make_buffer(ThreadPool& pool, std::size_t bytes) {
  const std::size_t pieces = std::max<std::size_t>(1, std::min(bytes, quarter_of_memory()) / sizeof(Words) / kPiece);
  std::vector<Words> buffer;
  try {
    buffer.resize(pieces * kPiece);
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::kResource, "no memory for the {} MB that the bandwidth is measured on",
         pieces * kPiece * sizeof(Words) >> 20);
  }
  // Written, by the threads that may read it: untouched pages would all be the system's one page of zeros.
  parallel_for(pool, buffer.size(), kPiece, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) buffer[i] = Words{i, i + 1, i + 2, i + 3};
  });
  return buffer;
}

}  // namespace

double memory_read_bandwidth(ThreadPool& pool, const BandwidthLimits& limits) {
  const std::vector<Words> buffer = make_buffer(pool, limits.bytes);
  double best = 0;
  std::atomic<std::uint64_t> sink{0};
  for (int pass = 0; pass < std::max(1, limits.passes); ++pass) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(pool, buffer.size(), kPiece,
                 [&](std::size_t begin, std::size_t end) { sink += sum_of(&buffer[begin], end - begin); });
    const double seconds = seconds_since(start);
    best = std::max(best, static_cast<double>(buffer.size() * sizeof(Words)) / seconds / 1e9);
  }
  // The sum is known: it shows that every byte was read, and keeps the reading in the program.
  std::uint64_t expected = 0;
  for (std::uint64_t i = 0; i < buffer.size(); ++i) expected += 4 * i + 6;
  ensure(sink == expected * static_cast<std::uint64_t>(std::max(1, limits.passes)), "the bandwidth buffer was misread");
  return best;
}

}  // namespace quern
