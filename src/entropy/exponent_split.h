// Floats without loss in fewer bytes. The exponents of weights take few values (2.6 bits of 8 for Gaussian weights), so
// values are cut into bytes of which the first is the exponent, and each byte position is entropy coded where that
// gains. After DFloat11 (arXiv:2504.11651) and ZipNN (arXiv:2411.05239), which do it with Huffman codes.
#pragma once

#include <optional>
#include <string_view>

#include "entropy/rans.h"

namespace quern {

// A kind of value: little-endian floats with the sign in the highest bit.
struct LosslessKind {
  const char* name;
  std::size_t value_bytes;
  // Values to planes, and back. Plane 0 is the 8 bits behind the sign, plane 1 the sign and the next 7 bits, the others
  // are the bytes below; each of as many bytes as there are values, one plane after the other.
  void (*split)(const std::byte* values, std::size_t count, std::uint8_t* planes);
  void (*join)(const std::uint8_t* planes, std::size_t count, std::byte* values);
};

std::span<const LosslessKind> lossless_kinds();
const LosslessKind* find_lossless_kind(std::string_view name);  // nullptr if there is none

// How often each byte occurs in each plane of a tensor.
struct LosslessCounts {
  explicit LosslessCounts(const LosslessKind& values) : kind(&values), planes(values.value_bytes) {}

  const LosslessKind* kind;
  std::vector<SymbolCounts> planes;
};

// Adds the values of any part of a tensor. REQUIRES: whole values.
void count_values(ByteSpan values, LosslessCounts& counts);
// Adds what another task counted: sums of integers, the same in any order.
void merge_counts(const LosslessCounts& from, LosslessCounts& into);

// What the rows of one tensor share: a table a plane, none for planes that stay as they are.
struct LosslessTable {
  const LosslessKind* kind;
  std::vector<std::optional<FrequencyTable>> planes;
};

// A plane is coded if that is expected to save at least 1/32 of it, its table included: less is not worth the time to
// decode it.
LosslessTable train_lossless(const LosslessCounts& counts);

// For each plane the bytes of its table (u16, 0 for none) and the table.
std::vector<std::byte> serialise_lossless(const LosslessTable& table);
// Throws kInput unless the bytes are exactly what serialise_lossless would write.
LosslessTable parse_lossless(const LosslessKind& kind, ByteSpan bytes);

// Appends one row, of any number of values and of any bit patterns, and returns its bytes: never more than the values
// have. REQUIRES: whole values. Rows may be coded by several threads at once.
std::size_t encode_lossless_row(const LosslessTable& table, ByteSpan values, std::vector<std::byte>& out);

// The inverse, for as many values as were encoded. Throws kInput where `coded` cannot be such a row.
void decode_lossless_row(const LosslessTable& table, ByteSpan coded, std::span<std::byte> values);

}  // namespace quern
