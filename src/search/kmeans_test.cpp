// Nearest centroids against the definition, k-means where the answer is known, samples against all there is.
#include "search/kmeans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/cpu.h"
#include "base/random.h"
#include "search/nearest_centroid.h"
#include "search/vector_sample.h"

namespace quern {
namespace {

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t d = 0; d < a.size(); ++d) {
    const double difference = static_cast<double>(a[d]) - b[d];
    sum += difference * difference;
  }
  return sum;
}

TEST(Centroids, FindTheNearestOfAll) {
  for (std::size_t length = 1; length <= kMostVectorLength; ++length)
    for (const std::size_t count : {1, 15, 16, 17, 100}) {
      const Centroids centroids(length, random_values(count * length, length));
      const std::vector<float> vectors = random_values(23 * length, 99);
      std::vector<std::uint32_t> nearest(23);
      centroids.find_nearest(vectors, nearest);
      for (std::size_t i = 0; i < 23; ++i) {
        const auto vector = std::span(vectors).subspan(i * length, length);
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t k = 0; k < count; ++k) least = std::min(least, distance(vector, centroids.at(k)));
        ASSERT_LT(nearest[i], count);
        EXPECT_LE(distance(vector, centroids.at(nearest[i])), least + 1e-5) << length << " " << count;
      }
    }
}

TEST(Centroids, OfEqualsTheFirstIsTheNearest) {
  std::vector<float> values(3 * 64, 1.0f);
  for (std::size_t d = 0; d < 3; ++d) values[d] = 2.0f;
  const std::vector<float> vector{1, 1, 1};
  std::vector<std::uint32_t> nearest(1);
  Centroids(3, values).find_nearest(vector, nearest);
  EXPECT_EQ(nearest[0], 1u);
}

// Both widths, and one vector at a time.
TEST(Centroids, AreFoundAlikeByEveryKernel) {
  for (std::size_t length = 1; length <= kMostVectorLength; ++length) {
    constexpr std::size_t kTiles = 5, kVectors = 29;
    const std::vector<float> tiles = random_values(kTiles * (length + 1) * kCentroidTile, length),
                             vectors = random_values(kVectors * length, 7);
    std::vector<std::uint32_t> narrow(kVectors), wide(kVectors), alone(kVectors);
    nearest_kernel(length)(tiles.data(), kTiles, vectors.data(), kVectors, narrow.data());
    for (std::size_t i = 0; i < kVectors; ++i)
      nearest_kernel(length)(tiles.data(), kTiles, &vectors[i * length], 1, &alone[i]);
    EXPECT_EQ(narrow, alone);
#if defined(__x86_64__)
    if (!has_avx512()) continue;
    nearest_kernel_avx512(length)(tiles.data(), kTiles, vectors.data(), kVectors, wide.data());
    EXPECT_EQ(narrow, wide);
#endif
  }
}

TEST(KMeans, FewerVectorsThanCentroidsAreTheCentroids) {
  const WeightedVectors vectors{2, {1, 2, 3, 4, 1, 2, -5, 6}, {1, 1, 1, 1}, 0};
  ThreadPool pool(1);
  const Centroids found(2, find_centroids(vectors, 8, pool));
  for (std::size_t i = 0; i < vectors.count(); ++i) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < 8; ++k) least = std::min(least, distance(vectors.at(i), found.at(k)));
    EXPECT_EQ(least, 0);
  }
}

TEST(KMeans, FindsClustersThatLieApartAndTheirWeightedMeans) {
  WeightedVectors vectors{2, {}, {}, 0};
  Random random(5);
  std::map<std::pair<int, int>, std::pair<double, double>> sums;  // weight, and weighted first axis
  for (int i = 0; i < 2000; ++i) {
    const int x = static_cast<int>(random.below(4)), y = static_cast<int>(random.below(4));
    const float first = static_cast<float>(x + 0.02 * random.normal()),
                second = static_cast<float>(y + 0.02 * random.normal());
    const double weight = 1 + static_cast<double>(random.below(9));
    vectors.values.insert(vectors.values.end(), {first, second});
    vectors.weights.push_back(weight);
    sums[{x, y}].first += weight;
    sums[{x, y}].second += weight * first;
  }
  ThreadPool pool(2);
  const Centroids found(2, find_centroids(vectors, 16, pool));
  for (const auto& [corner, sum] : sums) {
    const std::vector<float> mean{static_cast<float>(sum.second / sum.first), static_cast<float>(corner.second)};
    std::vector<std::uint32_t> nearest(1);
    found.find_nearest(mean, nearest);
    EXPECT_NEAR(found.at(nearest[0])[0], mean[0], 1e-5);
  }
}

// Enough for several tiles of each step.
TEST(KMeans, FindsTheSameForAnyNumberOfThreads) {
  WeightedVectors vectors{3, random_values(3 * 20'000, 11), {}, 100};
  for (std::size_t i = 0; i < 20'000; ++i) vectors.weights.push_back(static_cast<double>(1 + i % 5) / 3);
  ThreadPool alone(1);
  const std::vector<float> found = find_centroids(vectors, 700, alone);
  for (const unsigned threads : {2u, 3u, 4u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(find_centroids(vectors, 700, pool), found) << threads;
  }
}

TEST(VectorSample, KeepsTheLowestKeysAndCountsThem) {
  VectorSample whole(1, 10);
  std::vector<std::uint64_t> keys;
  Random random(3);
  std::map<std::uint64_t, std::uint32_t> counts;
  for (int i = 0; i < 500; ++i) {
    const std::uint64_t key = random.below(60);
    const float value = static_cast<float>(key);
    whole.add({key, key, 1, 1}, {&value, 1});
    ++counts[key];
  }
  whole.settle();
  ASSERT_EQ(whole.size(), 10u);
  auto lowest = counts.begin();
  for (std::size_t i = 0; i < 10; ++i, ++lowest) {
    EXPECT_EQ(whole.at(i).key, lowest->first);
    EXPECT_EQ(whole.at(i).times, lowest->second);
    EXPECT_EQ(whole.values(i)[0], static_cast<float>(lowest->first));
  }
  EXPECT_LT(whole.share(), 1e-15);
}

}  // namespace
}  // namespace quern
