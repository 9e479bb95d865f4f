// The nearest centroid, then the residual nearest to what is left; of outliers the nearest to each half.
#include "codec/vptq_codebook.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "codec/packed_numbers.h"

namespace quern {
namespace {

constexpr float kLargest = 1e9f;  // of a weight over the scale

// Centroids, then those of halves in the first places of a vector, then in the last.
std::vector<float> vectors_of(std::span<const float> centroids, const Centroids& halves, std::size_t length) {
  std::vector<float> vectors(centroids.begin(), centroids.end());
  const std::size_t half = length / 2;
  for (const std::size_t place : {std::size_t{0}, half})
    for (std::size_t i = 0; i < halves.count(); ++i) {
      vectors.resize(vectors.size() + length);
      std::ranges::copy(halves.at(i), vectors.end() - static_cast<std::ptrdiff_t>(length - place));
    }
  vectors.resize(vectors.size() + kMostVectorLength);
  return vectors;
}

}  // namespace

VptqCodebook::VptqCodebook(VptqShape shape, float scale, VptqBooks books)
    : shape_(shape),
      scale_(scale),
      centroids_(shape.length, books.centroids),
      residuals_(shape.length, books.residuals),
      of_outliers_(shape.outlier_bits > 0 ? shape.half() : shape.length, books.of_outliers),
      outliers_(std::move(books.outliers)) {
  if (shape.outlier_bits > 0) vectors_ = vectors_of(books.centroids, of_outliers_, shape.length);
}

std::vector<std::byte> VptqCodebook::serialise() const {
  std::vector<std::byte> out(sizeof scale_ + shape_.numbers() * sizeof(std::uint16_t) +
                             outliers_.size() * sizeof(std::uint32_t));
  store(out.data(), scale_);
  std::byte* at = out.data() + sizeof scale_;
  for (const Centroids* some : {&centroids_, &residuals_, &of_outliers_})
    for (const float value : some->values()) {
      store(at, f32_to_f16(value));
      at += sizeof(std::uint16_t);
    }
  for (const std::uint32_t column : outliers_) {
    store(at, column);
    at += sizeof column;
  }
  return out;
}

void VptqCodebook::check_columns(std::uint64_t cols) const {
  if (outliers_.size() != shape_.outliers(cols))
    fail(ErrorCode::kInput, "a VPTQ codebook has {} columns of outliers, but {} were expected for rows of {} weights",
         outliers_.size(), shape_.outliers(cols), cols);
  if (!outliers_.empty() && outliers_.back() >= cols)
    fail(ErrorCode::kInput, "a VPTQ codebook has outliers in column {}, but the rows have {} weights", outliers_.back(),
         cols);
}

void VptqCodebook::round(std::size_t first, std::span<const float> weights, std::span<std::int32_t> codes,
                         std::span<float> values) const {
  const std::size_t length = shape_.length, count = weights.size() / length;
  std::vector<float> vectors(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) vectors[i] = scaled(weights[i], scale_);
  const std::vector<std::uint32_t> nearest = nearest_codes(vectors);
  std::ranges::fill(codes, 0);
  for (std::size_t i = 0; i < count; ++i) {
    codes[i * length] = static_cast<std::int32_t>(nearest[i]);
    if (!values.empty()) put(nearest[i], values.subspan(i * length, length));
  }
  for (const std::uint32_t column : outliers_within(first, count)) {
    const std::size_t at = (column - first) * length;
    const std::uint32_t code = outlier_code(std::span(vectors).subspan(at, length));
    codes[at] = static_cast<std::int32_t>(code);
    if (!values.empty()) put_outlier(code, values.subspan(at, length));
  }
}

void VptqCodebook::read_indices(std::span<const std::byte> stripe, std::span<std::uint32_t> indices) const {
  PackedNumbers(PackedNumbers::Order::kLowFirst, shape_.index_bits()).read(stripe, indices);
}

void VptqCodebook::put(std::uint32_t code, std::span<float> values) const {
  const std::span<const float> main = centroids_.at(code & (shape_.centroids() - 1));
  if (shape_.residual_bits == 0) {
    for (std::size_t d = 0; d < values.size(); ++d) values[d] = main[d] * scale_;
    return;
  }
  const std::span<const float> residual = residuals_.at(code >> shape_.bits);
  for (std::size_t d = 0; d < values.size(); ++d) values[d] = (main[d] + residual[d]) * scale_;
}

void VptqCodebook::put_outlier(std::uint32_t code, std::span<float> values) const {
  const std::span<const float> low = of_outliers_.at(code & (shape_.outlier_centroids() - 1)),
                               high = of_outliers_.at(code >> shape_.outlier_bits);
  for (std::size_t d = 0; d < low.size(); ++d) {
    values[d] = low[d] * scale_;
    values[low.size() + d] = high[d] * scale_;
  }
}

std::vector<std::uint32_t> VptqCodebook::nearest_codes(std::vector<float> vectors) const {
  const std::size_t length = shape_.length, count = vectors.size() / length;
  std::vector<std::uint32_t> nearest(count);
  centroids_.find_nearest(vectors, nearest);
  if (residuals_.count() == 0) return nearest;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t d = 0; d < length; ++d) vectors[i * length + d] -= centroids_.at(nearest[i])[d];
  std::vector<std::uint32_t> second(count);
  residuals_.find_nearest(vectors, second);
  for (std::size_t i = 0; i < count; ++i) nearest[i] |= second[i] << shape_.bits;
  return nearest;
}

std::uint32_t VptqCodebook::outlier_code(std::span<const float> vector) const {
  std::array<std::uint32_t, 2> halves{};
  of_outliers_.find_nearest(vector, halves);
  return halves[0] | halves[1] << shape_.outlier_bits;
}

std::span<const std::uint32_t> VptqCodebook::outliers_within(std::size_t first, std::size_t count) const {
  const auto begin = std::ranges::lower_bound(outliers_, first);
  return {begin, std::ranges::lower_bound(begin, outliers_.end(), first + count)};
}

float VptqCodebook::scaled(float weight, float scale) {
  const float value = weight / scale;  // a power of two: exact
  return value == value ? std::clamp(value, -kLargest, kLargest) : 0.0f;
}

const VptqCodebook& vptq_codebook(const Codec& codec) { return static_cast<const VptqCodebook&>(*codec.tensor_side); }

}  // namespace quern
