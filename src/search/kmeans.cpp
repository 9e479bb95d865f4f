// What is done to each vector is shared out in fixed tiles; sums are of doubles, in the order of tiles, of vectors in
// them.
#include "search/kmeans.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/random.h"
#include "search/nearest_centroid.h"

namespace quern {
namespace {

constexpr std::uint64_t kSeed = 0x56505451;
constexpr std::size_t kSeedingVectors = 8;  // for each centroid
// Vectors for each centroid in the rounds, and iterations at most.
struct Round {
  std::size_t vectors;
  int iterations;
};
constexpr Round kRounds[] = {{16, 20}, {48, 20}, {std::numeric_limits<std::size_t>::max(), 20}};
constexpr double kLeastGain = 1e-4;
// Vectors that a thread takes at once: a tenth of a millisecond of distances to 512 centroids. Seeds take a centroid at
// a time.
constexpr std::size_t kTile = 2048, kSeedingTile = 4096;

// The first `of_sample` vectors behind those that are always there, which stand for all of them.
WeightedVectors part_of(const WeightedVectors& all, std::size_t of_sample) {
  const std::size_t sampled = all.count() - all.always;
  if (of_sample >= sampled) return all;
  const std::size_t count = all.always + of_sample;
  WeightedVectors part{all.length,
                       {all.values.begin(), all.values.begin() + static_cast<std::ptrdiff_t>(count * all.length)},
                       {all.weights.begin(), all.weights.begin() + static_cast<std::ptrdiff_t>(count)},
                       all.always};
  const double each = static_cast<double>(sampled) / static_cast<double>(of_sample);
  for (std::size_t i = all.always; i < count; ++i) part.weights[i] *= each;
  return part;
}

std::size_t times(std::size_t a, std::size_t b) {
  return b > std::numeric_limits<std::size_t>::max() / a ? std::numeric_limits<std::size_t>::max() : a * b;
}

// Picks each centroid among the vectors by their squared distance to those picked so far.
class Seeding {
 public:
  Seeding(const WeightedVectors& from, ThreadPool& pool)
      : from_(from),
        pool_(pool),
        axes_(from.values.size()),
        distances_(from.count(), std::numeric_limits<float>::max()),
        squares_(from.count()),
        chances_(from.weights),
        sums_((from.count() + kSeedingTile - 1) / kSeedingTile) {
    for (std::size_t i = 0; i < from.count(); ++i)
      for (std::size_t d = 0; d < from.length; ++d) axes_[d * from.count() + i] = from.at(i)[d];
    for (std::size_t begin = 0; begin < from.count(); begin += kSeedingTile)
      sum_up(begin, std::min(begin + kSeedingTile, from.count()));
  }

  std::vector<float> pick(std::size_t count) {
    std::vector<float> centroids;
    Random random(kSeed);
    for (std::size_t k = 0; k < count; ++k) {
      const double sum = std::accumulate(sums_.begin(), sums_.end(), 0.0);
      if (!(sum > 0)) break;
      const std::span<const float> picked = from_.at(place_of(random.uniform() * sum));
      centroids.insert(centroids.end(), picked.begin(), picked.end());
      parallel_for(pool_, from_.count(), kSeedingTile, [&](std::size_t begin, std::size_t end) {
        approach(picked, begin, end);
        sum_up(begin, end);
      });
    }
    centroids.resize(count * from_.length);
    return centroids;
  }

 private:
  // The vector at which the chances of those before it come to `at`.
  std::size_t place_of(double at) const {
    std::size_t tile = 0;
    for (; tile + 1 < sums_.size() && !(at < sums_[tile]); ++tile) at -= sums_[tile];
    std::size_t i = tile * kSeedingTile;
    for (; i + 1 < chances_.size() && !(at < chances_[i]); ++i) at -= chances_[i];
    while (i > 0 && chances_[i] == 0) --i;  // where rounding ran past the last that has a chance
    return i;
  }

  void approach(std::span<const float> picked, std::size_t begin, std::size_t end) {
    std::fill(&squares_[begin], &squares_[end - 1] + 1, 0.0f);
    for (std::size_t d = 0; d < picked.size(); ++d) {
      const float* axis = &axes_[d * from_.count()];
      for (std::size_t n = begin; n < end; ++n) squares_[n] += (axis[n] - picked[d]) * (axis[n] - picked[d]);
    }
    for (std::size_t n = begin; n < end; ++n) {
      distances_[n] = std::min(distances_[n], squares_[n]);
      chances_[n] = from_.weights[n] * distances_[n];
    }
  }

  void sum_up(std::size_t begin, std::size_t end) {
    sums_[begin / kSeedingTile] = std::accumulate(&chances_[begin], &chances_[end - 1] + 1, 0.0);
  }

  const WeightedVectors& from_;
  ThreadPool& pool_;
  std::vector<float> axes_;  // [length][count]
  std::vector<float> distances_, squares_;
  std::vector<double> chances_, sums_;  // of each vector, and of each tile
};

class Lloyd {
 public:
  Lloyd(const WeightedVectors& vectors, std::vector<float> centroids, ThreadPool& pool)
      : vectors_(vectors),
        pool_(pool),
        centroids_(std::move(centroids)),
        nearest_(vectors.count()),
        errors_(vectors.count()) {}

  void run(int iterations) {
    double last = std::numeric_limits<double>::infinity();
    for (int i = 0; i < iterations; ++i) {
      const double error = assign();
      if (!(last - error > kLeastGain * last) && i > 0) break;
      last = error;
      move();
    }
  }
  std::vector<float> take() { return std::move(centroids_); }

 private:
  double assign() {
    const Centroids centroids(vectors_.length, centroids_);
    parallel_for(pool_, vectors_.count(), kTile,
                 [&](std::size_t begin, std::size_t end) { assign(centroids, begin, end); });
    return std::accumulate(errors_.begin(), errors_.end(), 0.0);
  }

  void assign(const Centroids& centroids, std::size_t begin, std::size_t end) {
    const std::size_t length = vectors_.length, count = end - begin;
    centroids.find_nearest(std::span(vectors_.values).subspan(begin * length, count * length),
                           std::span(nearest_).subspan(begin, count));
    for (std::size_t i = begin; i < end; ++i) {
      double square = 0;
      for (std::size_t d = 0; d < vectors_.length; ++d) {
        const double difference = static_cast<double>(vectors_.at(i)[d]) - centroids.at(nearest_[i])[d];
        square += difference * difference;
      }
      errors_[i] = vectors_.weights[i] * square;
    }
  }

  // Each centroid to the mean of its vectors; one that has none to the vector that loses most.
  void move() {
    const std::size_t length = vectors_.length, count = centroids_.size() / length;
    std::vector<double> sums(centroids_.size()), weights(count);
    for (std::size_t i = 0; i < vectors_.count(); ++i) {
      const double weight = vectors_.weights[i];
      weights[nearest_[i]] += weight;
      for (std::size_t d = 0; d < length; ++d)
        sums[nearest_[i] * length + d] += weight * static_cast<double>(vectors_.at(i)[d]);
    }
    std::vector<std::size_t> idle;
    for (std::size_t k = 0; k < count; ++k) {
      if (!(weights[k] > 0)) {
        idle.push_back(k);
        continue;
      }
      for (std::size_t d = 0; d < length; ++d)
        centroids_[k * length + d] = static_cast<float>(sums[k * length + d] / weights[k]);
    }
    if (!idle.empty()) replace(idle);
  }

  void replace(const std::vector<std::size_t>& idle) {
    std::vector<std::size_t> worst(vectors_.count());
    std::iota(worst.begin(), worst.end(), std::size_t{0});
    const std::size_t count = std::min(idle.size(), worst.size());
    std::ranges::partial_sort(
        worst, worst.begin() + static_cast<std::ptrdiff_t>(count),
        [&](std::size_t a, std::size_t b) { return errors_[a] != errors_[b] ? errors_[a] > errors_[b] : a < b; });
    for (std::size_t n = 0; n < count && errors_[worst[n]] > 0; ++n)
      std::ranges::copy(vectors_.at(worst[n]),
                        centroids_.begin() + static_cast<std::ptrdiff_t>(idle[n] * vectors_.length));
  }

  const WeightedVectors& vectors_;
  ThreadPool& pool_;
  std::vector<float> centroids_;
  std::vector<std::uint32_t> nearest_;
  std::vector<double> errors_;
};

std::vector<float> seeds(const WeightedVectors& vectors, std::size_t count, ThreadPool& pool) {
  return Seeding(vectors, pool).pick(count);
}

std::vector<float> improved(const WeightedVectors& vectors, std::vector<float> centroids, int iterations,
                            ThreadPool& pool) {
  Lloyd lloyd(vectors, std::move(centroids), pool);
  lloyd.run(iterations);
  return lloyd.take();
}

}  // namespace

std::vector<float> find_centroids(const WeightedVectors& vectors, std::size_t count, ThreadPool& pool) {
  if (vectors.count() == 0) return std::vector<float>(count * vectors.length);
  std::vector<float> centroids = seeds(part_of(vectors, times(kSeedingVectors, count)), count, pool);
  const std::size_t sampled = vectors.count() - vectors.always;
  for (const Round& round : kRounds) {
    const std::size_t wanted = times(round.vectors, count);
    if (wanted >= sampled) return improved(vectors, std::move(centroids), round.iterations, pool);
    centroids = improved(part_of(vectors, wanted), std::move(centroids), round.iterations, pool);
  }
  return centroids;
}

}  // namespace quern
