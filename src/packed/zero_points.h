// Zero points of 4 bits as compressed-tensors stores them, packed along the rows: word [r / 8][g] of an I32 tensor
// [ceil(rows / 8), groups] holds those of group g of eight rows, row r in bits 4 * (r % 8). Elsewhere: a byte each,
// [rows, groups].
#pragma once

#include <memory>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

inline constexpr std::uint64_t kZeroPointsPerWord = 8;

inline std::uint64_t zero_point_words(std::uint64_t rows) {
  return rows / kZeroPointsPerWord + (rows % kZeroPointsPerWord != 0);
}

// Bytes to words. REQUIRES: zeros.size() is a multiple of `groups`.
std::vector<std::byte> pack_zero_points(std::span<const std::byte> zeros, std::uint64_t groups);

// Reads the words of a part. REQUIRES: groups > 0.
std::shared_ptr<const PartDecoder> make_zero_point_decoder(TensorPart words, std::uint64_t rows, std::uint64_t groups);

}  // namespace quern
