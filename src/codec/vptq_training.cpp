// Columns of outliers are those whose importance is largest: in any rows, since experts of one tensor have their own.
#include "codec/vptq_training.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "codec/vptq_sample.h"
#include "search/grid_search.h"

namespace quern {
namespace {

constexpr int kTopExponent = 14;       // of the largest number over the scale: binary16 has room for less than 2^16
constexpr float kMostHalf = 32752.0f;  // the largest of that exponent
constexpr std::size_t kTile = 2048;    // vectors that a thread takes at once

// The halves nearest to values, as floats.
std::vector<float> halves_of(std::vector<float> values) {
  for (float& value : values) value = std::clamp(nearest_f16(value), -kMostHalf, kMostHalf);
  return values;
}

// The power of two that brings the largest of all values to kTopExponent.
float scale_for(std::initializer_list<std::span<const float>> all) {
  float largest = 0;
  for (const std::span<const float> values : all)
    for (const float value : values) largest = std::max(largest, std::abs(value));
  return std::ldexp(1.0f, largest > 0 ? std::max(std::ilogb(largest) - kTopExponent, kLeastVptqScale) : 0);
}

// What each column of stripes counts: 1 where none does; one that is no number does not.
std::vector<float> usable_weights(const VptqShape& shape, MatrixView stripes, std::span<const float> importance) {
  std::vector<float> weights(stripes.cols / shape.length, 1.0f);
  const auto usable = [](float value) { return usable_importance(all_lanes(value))[0]; };
  if (std::ranges::none_of(importance, [&](float value) { return usable(value) > 0; })) return weights;
  for (std::size_t c = 0; c < weights.size(); ++c) weights[c] = usable(importance[c * shape.length]);
  return weights;
}

class Training final : public PooledTraining {
 public:
  Training(const VptqShape& shape, std::vector<std::uint32_t> outliers)
      : shape_(shape),
        outliers_(std::move(outliers)),
        others_(shape.length, shape.centroids()),
        halves_(shape.half(), shape.outlier_centroids()) {}

  void observe(MatrixView stripes, std::span<const float> importance) override {
    const std::vector<float> weights = usable_weights(shape_, stripes, importance);
    std::vector<float> vector(shape_.length);
    for (std::size_t s = 0; s < stripes.rows; ++s)
      for (std::size_t c = 0; c < weights.size(); ++c) {
        const std::span<const float> from = stripes.row(s).subspan(c * shape_.length, shape_.length);
        std::ranges::transform(from, vector.begin(), [](float value) { return VptqCodebook::scaled(value, 1); });
        add(vector, c, weights[c]);
      }
  }

  void merge(const TensorTraining& other) override {
    others_.merge(static_cast<const Training&>(other).others_);
    halves_.merge(static_cast<const Training&>(other).halves_);
  }

  std::shared_ptr<const TensorSide> finish(ThreadPool& pool) const override {
    WeightedVectors vectors = others_.vectors(), halves = halves_.vectors();
    const float scale = scale_for({vectors.values, halves.values});
    for (std::vector<float>* values : {&vectors.values, &halves.values})
      for (float& value : *values) value = VptqCodebook::scaled(value, scale);
    VptqBooks books;
    books.outliers = outliers_;
    books.centroids = halves_of(find_centroids(vectors, shape_.centroids(), pool));
    if (shape_.residual_bits > 0) {
      take_nearest(Centroids(shape_.length, books.centroids), vectors, pool);
      books.residuals = halves_of(find_centroids(vectors, shape_.residuals(), pool));
    }
    if (shape_.outlier_bits > 0)
      books.of_outliers = halves_of(find_centroids(halves, shape_.outlier_centroids(), pool));
    return settled(scale, std::move(books));
  }

 private:
  // Under the scale that follows from the numbers alone, so that whoever has these knows it.
  std::shared_ptr<const TensorSide> settled(float scale, VptqBooks books) const {
    VptqBooks scaled = books;
    for (std::vector<float>* some : {&scaled.centroids, &scaled.residuals, &scaled.of_outliers})
      for (float& value : *some) value *= scale;
    const float own = scale_for({scaled.centroids, scaled.residuals, scaled.of_outliers});
    for (std::vector<float>* some : {&books.centroids, &books.residuals, &books.of_outliers})
      for (float& value : *some) value *= scale / own;
    return std::make_shared<const VptqCodebook>(shape_, own, std::move(books));
  }

  void add(std::span<const float> vector, std::size_t column, float weight) {
    if (!std::ranges::binary_search(outliers_, column)) return others_.add(vector, column, weight);
    for (std::size_t at = 0; at < vector.size(); at += shape_.half())
      halves_.add(vector.subspan(at, shape_.half()), column, weight);
  }

  static void take_nearest(const Centroids& centroids, WeightedVectors& vectors, ThreadPool& pool) {
    const std::size_t length = vectors.length;
    parallel_for(pool, vectors.count(), kTile, [&](std::size_t begin, std::size_t end) {
      const std::span<float> some = std::span(vectors.values).subspan(begin * length, (end - begin) * length);
      std::vector<std::uint32_t> nearest(end - begin);
      centroids.find_nearest(some, nearest);
      for (std::size_t i = 0; i < nearest.size(); ++i)
        for (std::size_t d = 0; d < length; ++d) some[i * length + d] -= centroids.at(nearest[i])[d];
    });
  }

  VptqShape shape_;
  std::vector<std::uint32_t> outliers_;
  VptqSample others_, halves_;
};

// The pass that chooses the columns of outliers.
class Choice final : public TensorTraining {
 public:
  explicit Choice(const VptqShape& shape) : shape_(shape) {}

  void observe(MatrixView stripes, std::span<const float> importance) override {
    take(usable_weights(shape_, stripes, importance));
  }

  void merge(const TensorTraining& other) override { take(static_cast<const Choice&>(other).most_); }

  std::unique_ptr<TensorTraining> next_pass() const override {
    std::vector<std::uint32_t> columns(most_.size());
    std::iota(columns.begin(), columns.end(), 0u);
    std::ranges::sort(columns, {}, [&](std::uint32_t c) { return std::pair(-most_[c], c); });
    columns.resize(shape_.outliers(columns.size()));
    std::ranges::sort(columns);
    return std::make_unique<Training>(shape_, std::move(columns));
  }
  std::shared_ptr<const TensorSide> finish() const override { return nullptr; }

 private:
  void take(std::span<const float> weights) {
    most_.resize(std::max(most_.size(), weights.size()));
    for (std::size_t c = 0; c < weights.size(); ++c) most_[c] = std::max(most_[c], weights[c]);
  }

  VptqShape shape_;
  std::vector<float> most_;  // of each column
};

}  // namespace

std::unique_ptr<TensorTraining> train_vptq(const VptqShape& shape) {
  if (shape.outlier_bits > 0) return std::make_unique<Choice>(shape);
  return std::make_unique<Training>(shape, std::vector<std::uint32_t>());
}

}  // namespace quern
