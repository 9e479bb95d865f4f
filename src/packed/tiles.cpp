// Byte ranges of a matrix to tiles of it.
#include "packed/tiles.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"

namespace quern {
namespace {

constexpr std::uint64_t kTileValues = std::uint64_t{1} << 18;
constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 18;
// A read of so many bytes takes about as long as the call: rows that are not much longer are read together.
constexpr std::uint64_t kShortRow = 8192;

struct TileType {
  std::string_view encoding;
  std::uint64_t bytes;
  void (*store)(std::byte*, float);
};
constexpr TileType kTileTypes[] = {
    {"f32", 4, [](std::byte* to, float value) { quern::store(to, value); }},
    {"f16", 2, [](std::byte* to, float value) { quern::store(to, f32_to_f16(value)); }},
    {"bf16", 2, [](std::byte* to, float value) { quern::store(to, f32_to_bf16(value)); }},
};

template <typename T>
float integer_at(const std::byte* from) {
  return static_cast<float>(load<T>(from));
}

// OCP scale: a power of two, 255 is NaN.
float e8m0_to_f32(std::uint8_t bits) {
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, bits - 127);
}

constexpr NumberType kNumberTypes[] = {
    {"f32", 4, [](const std::byte* from) { return load<float>(from); }},
    {"f16", 2, [](const std::byte* from) { return f16_to_f32(load<std::uint16_t>(from)); }},
    {"bf16", 2, [](const std::byte* from) { return bf16_to_f32(load<std::uint16_t>(from)); }},
    {"f8_e4m3", 1, [](const std::byte* from) { return f8_e4m3_to_f32(load<std::uint8_t>(from)); }},
    {"f8_e5m2", 1, [](const std::byte* from) { return f8_e5m2_to_f32(load<std::uint8_t>(from)); }},
    {"f8_e8m0", 1, [](const std::byte* from) { return e8m0_to_f32(load<std::uint8_t>(from)); }},
    {"i8", 1, integer_at<std::int8_t>},
    {"u8", 1, integer_at<std::uint8_t>},
};

class TileDecoder final : public PartDecoder {
 public:
  TileDecoder(std::shared_ptr<const TileSource> source, const TileType& type, std::uint64_t rows, std::uint64_t cols)
      : source_(std::move(source)), type_(type), rows_(rows), cols_(cols) {}

  std::uint64_t stored_bytes() const override { return source_->stored_bytes(); }

  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    std::vector<float> values;
    std::vector<std::byte> bytes;
    for (std::uint64_t done = 0; done < out.size();) {
      const std::uint64_t first = (offset + done) / type_.bytes, skipped = (offset + done) % type_.bytes;
      const Tile tile = next_tile(first, round_up(skipped + out.size() - done, type_.bytes) / type_.bytes);
      values.resize(tile.rows * tile.cols);
      source_->decode(file, tile, values);
      bytes.resize(values.size() * type_.bytes);
      for (std::size_t i = 0; i < values.size(); ++i) type_.store(&bytes[i * type_.bytes], values[i]);
      const std::uint64_t count = std::min<std::uint64_t>(bytes.size() - skipped, out.size() - done);
      std::ranges::copy(std::span(bytes).subspan(skipped, count), out.begin() + static_cast<std::ptrdiff_t>(done));
      done += count;
    }
  }

 private:
  // The tile that begins with element `first` and has no more than `wanted`.
  Tile next_tile(std::uint64_t first, std::uint64_t wanted) const {
    const std::uint64_t row = first / cols_, col = first % cols_;
    if (col || wanted < cols_ || cols_ > kTileValues)
      return {row, 1, col, std::min({cols_ - col, wanted, kTileValues})};
    const std::uint64_t of_matrix = rows_ - row % rows_;
    return {row, std::min({wanted / cols_, of_matrix, kTileValues / cols_}), 0, cols_};
  }

  std::shared_ptr<const TileSource> source_;
  const TileType& type_;
  std::uint64_t rows_, cols_;  // of a matrix
};

}  // namespace

bool is_tile_type(std::string_view encoding) {
  return std::ranges::find(kTileTypes, encoding, &TileType::encoding) != std::end(kTileTypes);
}

TensorEntry tiled_entry(std::string name, Shape shape, std::string_view encoding, const TensorPart& home,
                        std::shared_ptr<const TileSource> source) {
  const auto type = std::ranges::find(kTileTypes, encoding, &TileType::encoding);
  ensure(type != std::end(kTileTypes) && !shape.empty(), "{} as {} {}", name, encoding, to_string(shape));
  const auto bytes = checked_mul(element_count(shape), type->bytes);
  if (!bytes) fail(ErrorCode::kInput, "{} of shape {} has more bytes than 64 bits can count", name, to_string(shape));
  const std::uint64_t rows = shape.size() == 1 ? 1 : shape[shape.size() - 2], cols = shape.back();
  auto decoder = std::make_shared<TileDecoder>(std::move(source), *type, rows, cols);
  return {std::move(name), std::move(shape), std::string(encoding), {{home.file, home.offset, *bytes, decoder}}};
}

std::vector<std::byte> read_rectangle(const Operand& from, const File& home, const Rectangle& where) {
  std::vector<std::byte> out(where.count * where.width);
  const std::uint64_t start = where.first * where.pitch + where.begin;
  if (where.width == where.pitch) {
    from.read(home, start, out);
    return out;
  }
  if (where.width > kShortRow || where.pitch > kShortRow + 16 * where.width) {
    for (std::uint64_t row = 0; row < where.count; ++row)
      from.read(home, start + row * where.pitch, std::span(out).subspan(row * where.width, where.width));
    return out;
  }
  const std::uint64_t together = std::max<std::uint64_t>(1, kChunkBytes / where.pitch);
  std::vector<std::byte> chunk;
  for (std::uint64_t row = 0; row < where.count; row += together) {
    const std::uint64_t rows = std::min(together, where.count - row);
    chunk.resize((rows - 1) * where.pitch + where.width);
    from.read(home, start + row * where.pitch, chunk);
    for (std::uint64_t r = 0; r < rows; ++r)
      std::memcpy(&out[(row + r) * where.width], &chunk[r * where.pitch], where.width);
  }
  return out;
}

const NumberType* find_number_type(std::string_view encoding) {
  const auto at = std::ranges::find(kNumberTypes, encoding, &NumberType::encoding);
  return at == std::end(kNumberTypes) ? nullptr : at;
}

const NumberType& number_type(const TensorEntry& entry) {
  if (const NumberType* type = find_number_type(entry.encoding)) return *type;
  fail(ErrorCode::kInput, "{} is {}, which is no type of scales or weights that can be read", entry.name,
       entry.encoding);
}

}  // namespace quern
