// Planes of a whole tensor, row after row.
#include "codec/packed_tensor.h"

#include "base/bytes.h"
#include "base/fail.h"

namespace quern {

PackedTensor::PackedTensor(const Codec& codec, RowLayout layout) : codec_(&codec), layout_(layout) {
  ensure(codec.divides(layout.cols), "rows of {} weights do not fit the blocks of {} of {}", layout.cols, codec.block,
         codec.name);
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    const auto size = checked_mul(layout.rows, codec.plane_row_bytes(p, layout.cols));
    ensure(size.has_value(), "{} rows of {} weights are too many bytes", layout.rows, layout.cols);
    planes_[p].resize(*size);
  }
}

std::uint64_t PackedTensor::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& plane : planes_) sum += plane.size();
  return sum;
}

PlanePointers PackedTensor::row(std::size_t i) {
  PlanePointers pointers{};
  for (std::size_t p = 0; p < codec_->planes.size(); ++p) {
    pointers[p] = planes_[p].data() + i * codec_->plane_row_bytes(p, layout_.cols);
  }
  return pointers;
}

ConstPlanePointers PackedTensor::row(std::size_t i) const {
  ConstPlanePointers pointers{};
  for (std::size_t p = 0; p < codec_->planes.size(); ++p) {
    pointers[p] = planes_[p].data() + i * codec_->plane_row_bytes(p, layout_.cols);
  }
  return pointers;
}

}  // namespace quern
