// The codecs that safetensors folders hold in layouts of quantization packages.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace quern {

// A codec with planes {codes, bfloat16 scales, and zero points of a byte where it has them} whose rows of codes are the
// rows of weight_packed.
struct PackedEncoding {
  enum class Zeros { kNone, kStored };
  std::string_view name;
  unsigned bits;        // of a code
  std::uint64_t group;  // weights under one scale; 0: a row
  Zeros zeros;

  // Codes are stored in 32-bit words.
  std::uint64_t codes_per_word() const { return 32 / bits; }
  // Rows are whole groups and whole words.
  bool divides(std::uint64_t cols) const { return cols % (group ? group : codes_per_word()) == 0; }
  std::uint64_t groups(std::uint64_t cols) const { return group ? cols / group : 1; }
};

std::span<const PackedEncoding> packed_encodings();
// Null when there is none.
const PackedEncoding* find_packed_encoding(std::string_view name);

// A codec with planes {codes of 4 bits, the first in the high ones; binary32 scales of 64 weights} on the levels of
// NF4.
struct BlockEncoding {
  enum class Scales { kPlain, kNested };
  std::string_view name;
  Scales scales;
};
inline constexpr std::uint64_t kNf4BlockWeights = 64;
inline constexpr const char* kNf4QuantType = "nf4";  // in bitsandbytes' JSON

// Null when there is none.
const BlockEncoding* find_block_encoding(std::string_view name);
const BlockEncoding& block_encoding(BlockEncoding::Scales scales);

// What any tensor of an encoding can be copied as, number by number: scales that another program quantized again,
// around a mean of its own, are no multiples of those that are written, and go along in full.
std::string_view encoding_of_copy(std::string_view encoding);

}  // namespace quern
