// A number format: how a row of weights becomes bytes. Rows of the table in src/codec/codecs.cpp.
//
// Encoding has two steps so that every way of rounding works in every format: `fit` chooses the side information of a
// block (scales, minima) from its weights and their importance; `round` turns weights into codes under that side
// information, any run of columns at a time, so that an error can be fed into the columns that follow; `pack` writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>

#include "tensor/tensor.h"

namespace quern {

// A codec stores a row in one or more planes (codes here, scales there). A block format has one plane.
struct CodecPlane {
  const char* name;               // "blocks", "codes", "scales"
  std::uint32_t bytes_per_block;  // of each block of a row
  std::uint32_t bytes_per_weight;
};

inline constexpr std::size_t kMaxPlanes = 3;

struct Codec {
  const char* name;                    // NOTE: on-disk id; never changes its meaning
  const char* summary;                 // one line in plain words
  double bits_per_weight;              // nominal; exact sizes come from plane_row_bytes
  std::uint32_t block;                 // weights a block; 0: the whole row is one block
  std::span<const CodecPlane> planes;  // 1..kMaxPlanes
  std::uint32_t side_bytes;            // size of a block's side information in memory

  // Chooses the side information. `importance` has one non-negative weight per column of the block, or is empty (all
  // 1). The error to minimise is the sum over the block of importance * (weight - decoded)^2.
  void (*fit)(std::span<const float> weights, std::span<const float> importance, std::byte* side);
  // Codes of weights[k] as column `first` + k of the block, and the values that they decode to (`values` may be empty).
  void (*round)(const std::byte* side, std::uint32_t first, std::span<const float> weights,
                std::span<std::int32_t> codes, std::span<float> values);
  // Writes one block: planes[p] points to where plane p of this block begins.
  void (*pack)(const std::byte* side, std::span<const std::int32_t> codes, std::array<std::byte*, kMaxPlanes> planes);
  // Reads one block.
  void (*decode)(std::array<const std::byte*, kMaxPlanes> planes, std::span<float> out);

  // Bytes that a tensor takes in a container that stores planes more tightly than they are exchanged (zero points of
  // 4 bits); null: those of its planes. Ask stored_bytes.
  std::uint64_t (*stored_bytes_of)(std::uint64_t rows, std::uint64_t cols) = nullptr;

  // Side information that is itself compressed over runs of this many consecutive blocks of a tensor, across rows
  // (0: of none): `settle` turns the sides of one run into ones that can be stored. Called after `fit`, before `round`.
  std::uint32_t settled_blocks = 0;
  void (*settle)(std::span<std::byte> sides) = nullptr;

  // kTrained: for weights that were trained to be its values. It loses more than others of its size on other weights,
  // so it is taken only where a person or a scheme names it.
  enum class Use { kAny, kTrained };
  Use use = Use::kAny;

  // The three steps in one for whole rows, to the same bytes: faster side by side. `planes` points to the first row.
  // Null: step by step, block by block.
  void (*encode)(const Codec& codec, MatrixView rows, std::span<const float> importance,
                 std::array<std::byte*, kMaxPlanes> planes) = nullptr;

  // Rows that must be encoded together, from a multiple of as many, so that no run is cut.
  std::uint64_t rows_together(std::uint64_t cols) const {
    return settle ? settled_blocks / std::gcd(cols / block, std::uint64_t{settled_blocks}) : 1;
  }
  // Whether rows of this many weights can be stored.
  bool divides(std::uint64_t cols) const { return block == 0 || cols % block == 0; }
  // Bytes of one row in plane p. REQUIRES: divides(cols).
  std::uint64_t plane_row_bytes(std::size_t p, std::uint64_t cols) const {
    const std::uint64_t blocks = block == 0 ? 1 : cols / block;
    return blocks * planes[p].bytes_per_block + cols * planes[p].bytes_per_weight;
  }
  // Bytes of a tensor in a file, names and shapes aside. REQUIRES: divides(cols).
  std::uint64_t stored_bytes(std::uint64_t rows, std::uint64_t cols) const {
    return stored_bytes_of ? stored_bytes_of(rows, cols) : rows * row_bytes(cols);
  }
  // Bytes of one row in all planes, as they are exchanged.
  std::uint64_t row_bytes(std::uint64_t cols) const {
    std::uint64_t sum = 0;
    for (std::size_t p = 0; p < planes.size(); ++p) sum += plane_row_bytes(p, cols);
    return sum;
  }
};

// In the order of bits per weight, highest first.
std::span<const Codec* const> codecs();
// Null when there is none of that name.
const Codec* find_codec(std::string_view name);

// Where the rows of a tensor lie: planes[p] is the start of plane p of row 0.
using PlanePointers = std::array<std::byte*, kMaxPlanes>;
using ConstPlanePointers = std::array<const std::byte*, kMaxPlanes>;

// Decodes one row (all blocks). `planes` points to that row.
void decode_row(const Codec& codec, ConstPlanePointers planes, std::span<float> out);
// Round-to-nearest of one row that is a tensor of its own: fit, round and pack each block.
void encode_row(const Codec& codec, std::span<const float> weights, std::span<const float> importance,
                PlanePointers planes);
// The same of consecutive rows of a tensor, which begin at a multiple of rows_together. `planes` points to the first.
void encode_rows(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers planes);

}  // namespace quern
