// Vectors of the lowest hashes, and those of most energy times the importance of their column.
#include "codec/vptq_sample.h"

#include <algorithm>
#include <bit>

#include "base/random.h"
#include "search/grid_search.h"

namespace quern {
namespace {

// So many for each centroid, and not fewer than a small codebook takes no time for.
constexpr std::size_t kVectorsForEach = 128, kLeastVectors = std::size_t{1} << 17;

// Of a vector and its column, `less` taken from the bits of each weight but 0.
std::uint64_t hash_of(std::uint64_t column, std::span<const float> vector, std::uint32_t less) {
  std::uint64_t hash = Random(column).next();
  for (const float value : vector)
    hash = Random(hash ^ (value == 0 ? 0 : std::bit_cast<std::uint32_t>(value) - less)).next();
  return hash;
}

// The bits of the largest exponent: without them a tensor times a power of two is sampled alike.
std::uint32_t exponent_of(std::span<const float> vector) {
  std::uint32_t most = 0;
  for (const float value : vector) most = std::max(most, std::bit_cast<std::uint32_t>(value) & 0x7f800000u);
  return most;
}

}  // namespace

VptqSample::VptqSample(std::size_t length, std::size_t centroids)
    : length_(length),
      some_(length, std::max(kVectorsForEach * centroids, kLeastVectors)),
      heaviest_(length, centroids) {}

void VptqSample::add(std::span<const float> vector, std::size_t column, float weight) {
  const std::uint64_t hash = hash_of(column, vector, 0), key = hash_of(column, vector, exponent_of(vector));
  double energy = 0;
  for (const float value : vector) energy += static_cast<double>(value) * value;
  some_.add({key, hash, weight, 1}, vector);
  heaviest_.add({~std::bit_cast<std::uint64_t>(energy * weight), hash, weight, 1}, vector);
}

void VptqSample::merge(const VptqSample& other) {
  some_.merge(other.some_);
  heaviest_.merge(other.heaviest_);
}

WeightedVectors VptqSample::vectors() const {
  VectorSample some = some_, heaviest = heaviest_;
  some.settle();
  heaviest.settle();
  float most = 0;
  for (const VectorSample* from : {&some, &heaviest})
    for (std::size_t i = 0; i < from->size(); ++i) most = std::max(most, from->at(i).weight);
  WeightedVectors all{length_, {}, {}, heaviest.size()};
  const auto put = [&](const VectorSample& from, std::size_t i, double share) {
    const std::span<const float> values = from.values(i);
    all.values.insert(all.values.end(), values.begin(), values.end());
    const double weight = most > 0 ? std::max(from.at(i).weight / most, kLeastImportance) : 1.0;
    all.weights.push_back(weight * from.at(i).times / share);
  };
  std::vector<std::uint64_t> taken;
  for (std::size_t i = 0; i < heaviest.size(); ++i) {
    put(heaviest, i, 1);
    taken.push_back(heaviest.at(i).hash);
  }
  std::ranges::sort(taken);
  for (std::size_t i = 0; i < some.size(); ++i)
    if (!std::ranges::binary_search(taken, some.at(i).hash)) put(some, i, some.share());
  return all;
}

}  // namespace quern
