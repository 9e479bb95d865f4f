// Matrices that are decoded while they are read, a tile at a time, so that memory does not depend on their size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "packed/layout_table.h"

namespace quern {

struct Tile {
  std::uint64_t row = 0, rows = 0, col = 0, cols = 0;
};

// Knows how one matrix, or several of one shape one behind the other, is stored.
class TileSource {
 public:
  virtual ~TileSource() = default;
  // Bytes that it takes in files.
  virtual std::uint64_t stored_bytes() const = 0;
  // Fills values[tile.rows * tile.cols], row after row, with numbers that the entry's type rounds as the package does.
  // Rows count over all matrices; a tile lies within one of them. `home`: the file of the part. Safe from several
  // threads.
  virtual void decode(const File& home, const Tile& tile, std::span<float> values) const = 0;
};

// A tensor of this shape, its last two axes those of a matrix (one: a row), in the type `encoding`: "f32", "f16" or
// "bf16". `home`: the part whose file the source is given.
TensorEntry tiled_entry(std::string name, Shape shape, std::string_view encoding, const TensorPart& home,
                        std::shared_ptr<const TileSource> source);

// Whether tiled_entry() takes the encoding.
bool is_tile_type(std::string_view encoding);

// Bytes [begin, begin + width) of rows first ... first + count - 1 of a tensor whose rows have `pitch` bytes, one
// behind the other. REQUIRES: begin + width <= pitch, and the rows lie in the tensor.
struct Rectangle {
  std::uint64_t pitch = 0, first = 0, count = 0, begin = 0, width = 0;
};
std::vector<std::byte> read_rectangle(const Operand& from, const File& home, const Rectangle& where);

// Numbers of one of the types that scales have: f32, f16, bf16, f8_e4m3, f8_e5m2, f8_e8m0, i8, u8.
using NumberReader = float (*)(const std::byte*);
struct NumberType {
  std::string_view encoding;
  std::uint64_t bytes;
  NumberReader at;
};
// Null when there is none.
const NumberType* find_number_type(std::string_view encoding);
// Error(kInput) that names the tensor when its type is none of them.
const NumberType& number_type(const TensorEntry& entry);

// The field of `bits` bits that begins at bit `at` of words that are one stream of bits, the first in the lowest ones;
// word k of the stream is words[k * stride].
inline std::uint32_t bit_field(const std::uint32_t* words, std::uint64_t stride, std::uint64_t at, unsigned bits) {
  const std::uint64_t word = at / 32, shift = at % 32;
  std::uint64_t value = words[word * stride] >> shift;
  if (shift + bits > 32) value |= static_cast<std::uint64_t>(words[(word + 1) * stride]) << (32 - shift);
  return static_cast<std::uint32_t>(value & ((std::uint64_t{1} << bits) - 1));
}

// The words that hold fields first ... first + count - 1 of such a stream: where they begin, and how many they are.
struct WordRun {
  std::uint64_t first = 0, count = 0;
};
inline WordRun words_of_fields(std::uint64_t first, std::uint64_t count, unsigned bits) {
  const std::uint64_t begin = first * bits / 32, end = ((first + count) * bits + 31) / 32;
  return {begin, end - begin};
}

inline std::vector<std::uint32_t> as_words(const std::vector<std::byte>& bytes) {
  std::vector<std::uint32_t> words(bytes.size() / 4);
  std::memcpy(words.data(), bytes.data(), words.size() * 4);
  return words;
}

}  // namespace quern
