// The side information of a tensor in VPTQ: its centroids, and the codes of vectors.
#pragma once

#include <vector>

#include "codec/codec.h"
#include "search/nearest_centroid.h"

namespace quern {

struct VptqShape {
  static constexpr std::uint64_t kColumnsForEachOutlier = 100;

  std::uint32_t length = 0;              // of a vector
  unsigned bits = 0, residual_bits = 0;  // of an index
  unsigned outlier_bits = 0;             // of those of both halves of a vector of outliers; 0: there are none

  constexpr unsigned index_bits() const { return bits + residual_bits; }
  constexpr std::uint32_t half() const { return length / 2; }
  constexpr std::size_t centroids() const { return std::size_t{1} << bits; }
  constexpr std::size_t residuals() const { return residual_bits == 0 ? 0 : std::size_t{1} << residual_bits; }
  constexpr std::size_t outlier_centroids() const { return outlier_bits == 0 ? 0 : std::size_t{1} << outlier_bits; }
  // Numbers of all codebooks.
  constexpr std::size_t numbers() const { return (centroids() + residuals()) * length + outlier_centroids() * half(); }
  // Columns of outliers among so many.
  constexpr std::uint64_t outliers(std::uint64_t cols) const {
    return outlier_bits == 0 ? 0 : (cols + kColumnsForEachOutlier - 1) / kColumnsForEachOutlier;
  }
  // Indices of a stripe.
  constexpr std::uint64_t indices(std::uint64_t cols) const { return cols + outliers(cols); }
  constexpr std::uint64_t stripe_bytes(std::uint64_t cols) const { return (indices(cols) * index_bits() + 7) / 8; }
  constexpr std::uint64_t side_bytes(std::uint64_t cols) const {
    return sizeof(float) + numbers() * sizeof(std::uint16_t) + outliers(cols) * sizeof(std::uint32_t);
  }
};

// What a codebook has under its scale: numbers of binary16, centroid after centroid, and columns in ascending order.
struct VptqBooks {
  std::vector<float> centroids, residuals, of_outliers;
  std::vector<std::uint32_t> outliers;
};

class VptqCodebook final : public TensorSide {
 public:
  // `scale` is a power of two.
  VptqCodebook(VptqShape shape, float scale, VptqBooks books);

  std::vector<std::byte> serialise() const override;

  const VptqShape& shape() const { return shape_; }
  float scale() const { return scale_; }
  const Centroids& centroids() const { return centroids_; }
  const Centroids& residuals() const { return residuals_; }      // none where the shape has none
  const Centroids& of_outliers() const { return of_outliers_; }  // the same; of half a vector
  std::span<const std::uint32_t> outliers() const { return outliers_; }
  // Vectors of the shape's length, in units of the scale: of the centroids, then of the first halves of outliers (c,
  // 0), then of the second (0, c). kMostVectorLength zeros lie behind them. REQUIRES: the shape has outliers.
  std::span<const float> vectors() const { return vectors_; }

  // Error(kInput) unless its outliers are those of rows of so many columns.
  void check_columns(std::uint64_t cols) const;
  // The code of each vector, the first of which stands in column `first`, and the values that they decode to (may be
  // empty). Of an outlier: the index of its first half, and that of the second above it.
  void round(std::size_t first, std::span<const float> weights, std::span<std::int32_t> codes,
             std::span<float> values) const;
  // The indices of a stripe, in their order; zeros behind its last. REQUIRES: a multiple of 8.
  void read_indices(std::span<const std::byte> stripe, std::span<std::uint32_t> indices) const;
  // The weights of one vector: of any column but one of outliers, and of such a one.
  void put(std::uint32_t code, std::span<float> values) const;
  void put_outlier(std::uint32_t code, std::span<float> values) const;

  // Weights in units of the scale, as they are searched: a NaN is 0.
  static float scaled(float weight, float scale);

 private:
  // Of vectors in units of the scale.
  std::vector<std::uint32_t> nearest_codes(std::vector<float> vectors) const;
  std::uint32_t outlier_code(std::span<const float> vector) const;
  // Columns first .. first + count - 1 of outliers.
  std::span<const std::uint32_t> outliers_within(std::size_t first, std::size_t count) const;

  VptqShape shape_;
  float scale_;
  Centroids centroids_, residuals_, of_outliers_;
  std::vector<std::uint32_t> outliers_;
  std::vector<float> vectors_;
};

// REQUIRES: a VPTQ codec, trained.
const VptqCodebook& vptq_codebook(const Codec& codec);

}  // namespace quern
