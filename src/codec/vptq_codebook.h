// The side information of a tensor in VPTQ: its centroids, and the codes of vectors.
#pragma once

#include <vector>

#include "codec/codec.h"
#include "search/nearest_centroid.h"

namespace quern {

struct VptqShape {
  std::uint32_t length = 0;              // of a vector
  unsigned bits = 0, residual_bits = 0;  // of an index
  constexpr unsigned index_bits() const { return bits + residual_bits; }
  constexpr std::size_t centroids() const { return std::size_t{1} << bits; }
  constexpr std::size_t residuals() const { return residual_bits == 0 ? 0 : std::size_t{1} << residual_bits; }
  constexpr std::size_t side_bytes() const {
    return sizeof(float) + (centroids() + residuals()) * length * sizeof(std::uint16_t);
  }
};

class VptqCodebook final : public TensorSide {
 public:
  // Of numbers of binary16; `scale` is a power of two.
  VptqCodebook(VptqShape shape, float scale, std::span<const float> centroids, std::span<const float> residuals);

  std::vector<std::byte> serialise() const override;

  const VptqShape& shape() const { return shape_; }
  float scale() const { return scale_; }
  const Centroids& centroids() const { return centroids_; }
  const Centroids& residuals() const { return residuals_; }  // none where the shape has none

  // The code of each vector, and the values that they decode to (may be empty).
  void round(std::span<const float> weights, std::span<std::int32_t> codes, std::span<float> values) const;
  // The codes of a stripe; zeros behind its last. REQUIRES: a multiple of 8.
  void read_codes(std::span<const std::byte> stripe, std::span<std::uint32_t> codes) const;
  // The weights of one vector.
  void put(std::uint32_t code, std::span<float> values) const;

  // Weights in units of the scale, as they are searched: a NaN is 0.
  static float scaled(float weight, float scale);

 private:
  VptqShape shape_;
  float scale_;
  Centroids centroids_, residuals_;
};

// REQUIRES: a VPTQ codec, trained.
const VptqCodebook& vptq_codebook(const Codec& codec);

}  // namespace quern
