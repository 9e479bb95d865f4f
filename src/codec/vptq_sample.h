// The vectors that centroids of VPTQ are found from.
#pragma once

#include "search/kmeans.h"
#include "search/vector_sample.h"

namespace quern {

// Some of all that were seen, and those that weigh most: the same whatever the order and the cut.
class VptqSample {
 public:
  // For so many centroids of this length.
  VptqSample(std::size_t length, std::size_t centroids);

  // `weight`: of its column, not negative.
  void add(std::span<const float> vector, std::size_t column, float weight);
  void merge(const VptqSample& other);

  // The heaviest stand for themselves, the others for all that are like them.
  WeightedVectors vectors() const;

 private:
  std::size_t length_;
  VectorSample some_, heaviest_;
};

}  // namespace quern
