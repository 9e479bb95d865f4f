// A tensor in a codec's bytes: the compressed twin of Matrix.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/large_pages.h"
#include "codec/codec.h"
#include "tensor/tensor.h"

namespace quern {

class PackedTensor {
 public:
  PackedTensor() = default;
  // Zero-filled planes; of a measured codec without a row. REQUIRES: codec.divides(layout.cols); a codec that is
  // trained was (trained_codec). The first form keeps `codec`, the second wants it to outlive this.
  PackedTensor(std::shared_ptr<const Codec> codec, RowLayout layout);
  PackedTensor(const Codec& codec, RowLayout layout);

  const Codec& codec() const noexcept { return *codec_; }
  RowLayout layout() const noexcept { return layout_; }
  std::uint64_t bytes() const;
  std::span<std::byte> plane(std::size_t p) { return planes_[p]; }
  std::span<const std::byte> plane(std::size_t p) const { return planes_[p]; }
  // Where row (stripe) i lies.
  PlanePointers row(std::size_t i);
  ConstPlanePointers row(std::size_t i) const;

  // The next row of a measured codec. REQUIRES: no more rows than the layout has.
  void append_row(std::span<const std::byte> row);
  void append_row(std::span<const std::byte> sides, std::span<const std::int32_t> codes);
  // Rows of the same codec, as the rows from `first` on: of a measured codec the next ones. REQUIRES: a stripe begins
  // at `first`.
  void put_rows(std::size_t first, const PackedTensor& rows);

 private:
  std::shared_ptr<const Codec> codec_;
  RowLayout layout_;
  std::size_t measured_rows_ = 0;  // so far
  std::array<std::vector<std::byte, LargePageAllocator<std::byte>>, kMaxPlanes> planes_;
};

// Round-to-nearest of all rows of `out`. Rows of one call begin at a multiple of rows_together in their tensor.
void encode_rows(MatrixView rows, std::span<const float> importance, PackedTensor& out);
// Of a whole tensor: its codec is trained on it.
PackedTensor encode_tensor(const Codec& codec, MatrixView rows, std::span<const float> importance = {});

}  // namespace quern
