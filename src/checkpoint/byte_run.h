// A run of bytes within a file that is stored as it is or compressed: what the tensors of archives are cut from.
#pragma once

#include <memory>

#include "checkpoint/checkpoint.h"

namespace quern {

struct ByteRun {
  std::uint64_t offset = 0, bytes = 0;                   // where the stored bytes begin, and how many they give
  std::shared_ptr<const PartDecoder> decoder = nullptr;  // null: they are stored as they are
  enum class Access { kAnywhere, kForward };             // kForward: each byte costs those before it
  Access access = Access::kAnywhere;

  // Bytes that it takes in the file.
  std::uint64_t stored() const { return decoder ? decoder->stored_bytes() : bytes; }
  // Fills `out` from `at` within the run. REQUIRES: at + out.size() <= bytes. Safe from several threads.
  void read(const File& file, std::uint64_t at, std::span<std::byte> out) const;
  // Part of a tensor: `size` bytes from `at`, of the file with this index. REQUIRES: at + size <= bytes.
  TensorPart part(std::uint32_t file, std::uint64_t at, std::uint64_t size) const;
};

// What a tensor's bytes in memory are made of: elements at offset + sum of index * stride, little-endian or not.
struct StridedLayout {
  std::uint64_t element_bytes = 0;
  std::uint64_t offset = 0;  // in bytes, of the first element
  Shape shape;
  std::vector<std::uint64_t> strides;  // in elements, an axis each
  enum class Order { kLittleEndian, kBigEndian };
  Order order = Order::kLittleEndian;
  std::uint64_t word_bytes = 0;  // that are turned round as one (half an element of complex numbers)
};

// The tensor as a part that reads contiguous, row-major and little-endian. Error(kInput) with the numbers when an
// element lies beyond the run, counts do not fit 64 bits, or the run is repeated so that it gives more than 16 times
// its bytes and 16 MB.
TensorPart strided_part(const ByteRun& run, std::uint32_t file, const StridedLayout& layout);

}  // namespace quern
