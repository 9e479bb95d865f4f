// The nearest centroid, then the residual nearest to what is left.
#include "codec/vptq_codebook.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/packed_numbers.h"

namespace quern {
namespace {

constexpr float kLargest = 1e9f;  // of a weight over the scale

}  // namespace

VptqCodebook::VptqCodebook(VptqShape shape, float scale, std::span<const float> centroids,
                           std::span<const float> residuals)
    : shape_(shape), scale_(scale), centroids_(shape.length, centroids), residuals_(shape.length, residuals) {}

std::vector<std::byte> VptqCodebook::serialise() const {
  std::vector<std::byte> out(shape_.side_bytes());
  store(out.data(), scale_);
  std::byte* at = out.data() + sizeof scale_;
  for (const Centroids* some : {&centroids_, &residuals_})
    for (const float value : some->values()) {
      store(at, f32_to_f16(value));
      at += sizeof(std::uint16_t);
    }
  return out;
}

void VptqCodebook::round(std::span<const float> weights, std::span<std::int32_t> codes, std::span<float> values) const {
  const std::size_t length = shape_.length, count = weights.size() / length;
  std::vector<float> vectors(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) vectors[i] = scaled(weights[i], scale_);
  std::vector<std::uint32_t> nearest(count), second(count);
  centroids_.find_nearest(vectors, nearest);
  if (residuals_.count() > 0) {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t d = 0; d < length; ++d) vectors[i * length + d] -= centroids_.at(nearest[i])[d];
    residuals_.find_nearest(vectors, second);
  }
  std::ranges::fill(codes, 0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t code = nearest[i] | second[i] << shape_.bits;
    codes[i * length] = static_cast<std::int32_t>(code);
    if (!values.empty()) put(code, values.subspan(i * length, length));
  }
}

void VptqCodebook::read_codes(std::span<const std::byte> stripe, std::span<std::uint32_t> codes) const {
  PackedNumbers(PackedNumbers::Order::kLowFirst, shape_.index_bits()).read(stripe, codes);
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

float VptqCodebook::scaled(float weight, float scale) {
  const float value = weight / scale;  // a power of two: exact
  return value == value ? std::clamp(value, -kLargest, kLargest) : 0.0f;
}

const VptqCodebook& vptq_codebook(const Codec& codec) { return static_cast<const VptqCodebook&>(*codec.tensor_side); }

}  // namespace quern
