// How fast this machine reads memory: what generation one token at a time is measured against.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"

namespace quern {

struct BandwidthLimits {
  std::size_t bytes = std::size_t{512} << 20;  // at most a quarter of the machine's memory is taken
  int passes = 7;
};

// Gigabytes (10^9 bytes) a second that all threads of the pool read together, one after the other through a buffer much
// larger than the caches; the best of several passes. Error(kResource) when there is no memory for the buffer.
double memory_read_bandwidth(ThreadPool& pool, const BandwidthLimits& limits = {});

}  // namespace quern
