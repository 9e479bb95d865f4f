// Weighted k-means of short vectors (Lloyd 1982), begun by k-means++ (Arthur and Vassilvitskii 2007).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace quern {

// values[i * length + d] and a non-negative weight each.
struct WeightedVectors {
  std::size_t length = 0;
  std::vector<float> values;
  std::vector<double> weights;
  // The first so many are in every part that is looked at. Those behind them are in no order.
  std::size_t always = 0;

  std::size_t count() const { return weights.size(); }
  std::span<const float> at(std::size_t i) const { return std::span(values).subspan(i * length, length); }
};

// `count` centroids whose sum of weight * |x - nearest|^2 is a local minimum, one behind the other: first of a small
// part of the vectors, then of larger ones, each round ending when an iteration gains less than a ten-thousandth. Where
// there are fewer distinct vectors, some centroids are 0. The same bits on every machine and for any number of threads.
// REQUIRES: finite vectors below 1e18, and so few axes as Centroids takes; as ThreadPool::run.
std::vector<float> find_centroids(const WeightedVectors& vectors, std::size_t count, ThreadPool& pool);

}  // namespace quern
