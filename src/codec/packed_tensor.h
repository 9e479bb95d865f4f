// A tensor in a codec's bytes: the compressed twin of Matrix.
#pragma once

#include <array>
#include <vector>

#include "base/large_pages.h"
#include "codec/codec.h"
#include "tensor/tensor.h"

namespace quern {

class PackedTensor {
 public:
  PackedTensor() = default;
  // Zero-filled planes. REQUIRES: codec.divides(layout.cols).
  PackedTensor(const Codec& codec, RowLayout layout);

  const Codec& codec() const noexcept { return *codec_; }
  RowLayout layout() const noexcept { return layout_; }
  std::uint64_t bytes() const;
  std::span<std::byte> plane(std::size_t p) { return planes_[p]; }
  std::span<const std::byte> plane(std::size_t p) const { return planes_[p]; }
  PlanePointers row(std::size_t i);
  ConstPlanePointers row(std::size_t i) const;

 private:
  const Codec* codec_ = nullptr;
  RowLayout layout_;
  std::array<std::vector<std::byte, LargePageAllocator<std::byte>>, kMaxPlanes> planes_;
};

}  // namespace quern
