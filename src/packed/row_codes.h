// Matrices whose rows are codes of a few bits, one behind the other, under a grid of scales: what most packages store.
#pragma once

#include <array>
#include <optional>

#include "packed/tiles.h"

namespace quern {

// Where field `index` of a row begins, in bits.
struct FieldOrder {
  unsigned bits = 8;
  std::uint64_t per_word = 0;  // fields in a word of 32 bits, whose last bits are unused; 0: fields cross words

  std::uint64_t bit(std::uint64_t index) const {
    return per_word ? index / per_word * 32 + index % per_word * bits : index * bits;
  }
};

struct RowCodes {
  // What a code is multiplied with and moved by.
  using Combine = float (*)(float code, float scale, float shift);

  std::uint64_t rows = 0, cols = 0;  // of one matrix

  Operand codes;
  FieldOrder order;
  std::uint64_t pitch = 0;          // bytes of a row of codes
  std::array<float, 256> values{};  // of the codes

  std::optional<Operand> scales;  // none: all are 1
  const NumberType* scale_type = nullptr;
  std::uint64_t grid_rows = 1, grid_cols = 1;    // scales of one matrix, or of all where there is only one
  std::uint64_t block_rows = 1, block_cols = 1;  // weights under one of them
  float divisor = 1, factor = 1;                 // a scale is number / divisor * factor

  std::optional<Operand> groups;  // I32 [cols]: the column of the grid for each column; none: runs of block_cols

  std::optional<Operand> shifts;           // beside each scale: a zero point or an offset; none: 0
  const NumberType* shift_type = nullptr;  // null: fields in the codes' order, in words of 32 bits
  enum class Fields { kDownRows, kAlongRows };
  Fields shift_fields = Fields::kDownRows;  // [words, grid_cols], or [grid_rows, words] without unused bits in a word
  float shift_offset = 0;                   // taken from each field

  Combine combine = [](float code, float scale, float) { return code * scale; };
};

// `layout.codes.part()` is the part whose file is given.
std::shared_ptr<const TileSource> make_row_source(RowCodes layout);

// Values of codes.
std::array<float, 256> unsigned_values(float offset);  // code - offset
std::array<float, 256> number_values(const NumberType& type);
std::array<float, 256> fp4_values();  // e2m1: the sign above three bits

// (code - zero) * scale
inline float from_zero_point(float code, float scale, float zero) { return (code - zero) * scale; }

}  // namespace quern
