// Tiles of rows of codes.
#include "packed/row_codes.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/fail.h"

namespace quern {
namespace {

constexpr float kFp4[] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};

class RowSource final : public TileSource {
 public:
  explicit RowSource(RowCodes layout) : of_(std::move(layout)) {}

  std::uint64_t stored_bytes() const override {
    return of_.codes.stored_bytes() + (of_.scales ? of_.scales->stored_bytes() : 0) +
           (of_.shifts ? of_.shifts->stored_bytes() : 0) + (of_.groups ? of_.groups->stored_bytes() : 0);
  }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::vector<std::uint32_t> column = columns_of(home, tile);
    const Span grid = grid_of(tile, column);
    const std::vector<float> scales = read_scales(home, grid), shifts = read_shifts(home, tile, grid);
    const std::uint64_t begin = of_.order.bit(tile.col) / 8,
                        end = (of_.order.bit(tile.col + tile.cols - 1) + of_.order.bits + 7) / 8, width = end - begin;
    std::vector<std::byte> codes = read_rectangle(of_.codes, home, {of_.pitch, tile.row, tile.rows, begin, width});
    codes.push_back(std::byte{0});  // so that a code can be loaded from two bytes
    for (std::uint64_t r = 0; r < tile.rows; ++r) {
      const std::byte* row = &codes[r * width];
      const std::uint64_t line = ((tile.row + r) % of_.rows / of_.block_rows - grid.row) * grid.cols;
      for (std::uint64_t c = 0; c < tile.cols; ++c) {
        const std::uint64_t at = line + column[c] - grid.col;
        const float code = of_.values[code_at(row, of_.order.bit(tile.col + c) - begin * 8)];
        values[r * tile.cols + c] = of_.combine(code, scales[at], shifts.empty() ? 0.0f : shifts[at]);
      }
    }
  }

 private:
  // Scales that a tile needs, of its matrix.
  struct Span {
    std::uint64_t matrix = 0, row = 0, rows = 0, col = 0, cols = 0;
  };

  // Of the grid, for each column of the tile.
  std::vector<std::uint32_t> columns_of(const File& home, const Tile& tile) const {
    std::vector<std::uint32_t> column(tile.cols);
    if (!of_.groups) {
      for (std::uint64_t c = 0; c < tile.cols; ++c)
        column[c] = static_cast<std::uint32_t>((tile.col + c) / of_.block_cols);
      return column;
    }
    of_.groups->read(home, tile.col * 4, std::as_writable_bytes(std::span(column)));
    for (const std::uint32_t group : column)
      if (group >= of_.grid_cols)
        fail(ErrorCode::kInput, "{} names group {} of {}", of_.groups->name(), static_cast<std::int32_t>(group),
             of_.grid_cols);
    return column;
  }

  Span grid_of(const Tile& tile, const std::vector<std::uint32_t>& column) const {
    const std::uint64_t first = tile.row % of_.rows;
    const auto [least, most] = std::ranges::minmax(column);
    return {tile.row / of_.rows, first / of_.block_rows,
            (first + tile.rows - 1) / of_.block_rows + 1 - first / of_.block_rows, least, most - least + 1};
  }

  std::size_t code_at(const std::byte* row, std::uint64_t bit) const {
    const auto two = load<std::uint16_t>(row + bit / 8);
    return static_cast<std::size_t>(two >> bit % 8) & ((std::size_t{1} << of_.order.bits) - 1);
  }

  std::vector<float> read_grid(const Operand& from, const NumberType& type, const File& home, const Span& span) const {
    const std::vector<std::byte> bytes =
        read_rectangle(from, home,
                       {of_.grid_cols * type.bytes, span.matrix * of_.grid_rows + span.row, span.rows,
                        span.col * type.bytes, span.cols * type.bytes});
    std::vector<float> numbers(span.rows * span.cols);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = type.at(&bytes[i * type.bytes]);
    return numbers;
  }

  std::vector<float> read_scales(const File& home, const Span& span) const {
    if (!of_.scales) return std::vector<float>(span.rows * span.cols, 1.0f);
    std::vector<float> scales = read_grid(*of_.scales, *of_.scale_type, home, span);
    for (float& scale : scales) scale = scale / of_.divisor * of_.factor;
    return scales;
  }

  std::vector<float> read_shifts(const File& home, const Tile& tile, const Span& span) const {
    if (!of_.shifts) return {};
    if (of_.shift_type) return read_grid(*of_.shifts, *of_.shift_type, home, span);
    if (of_.shift_fields == RowCodes::Fields::kAlongRows) return read_fields_along_rows(home, span);
    const std::uint64_t first = of_.order.bit(tile.row) / 32,
                        last = (of_.order.bit(tile.row + tile.rows - 1) + of_.order.bits - 1) / 32;
    const auto words = as_words(
        read_rectangle(*of_.shifts, home, {of_.grid_cols * 4, first, last - first + 1, span.col * 4, span.cols * 4}));
    std::vector<float> shifts(span.rows * span.cols);
    for (std::uint64_t r = 0; r < span.rows; ++r)
      for (std::uint64_t g = 0; g < span.cols; ++g)
        shifts[r * span.cols + g] =
            static_cast<float>(
                bit_field(&words[g], span.cols, of_.order.bit(span.row + r) - first * 32, of_.order.bits)) -
            of_.shift_offset;
    return shifts;
  }

  std::vector<float> read_fields_along_rows(const File& home, const Span& span) const {
    const unsigned bits = of_.order.bits;
    const WordRun run = words_of_fields(span.col, span.cols, bits);
    const auto words = as_words(read_rectangle(
        *of_.shifts, home, {of_.grid_cols * bits / 8, span.row, span.rows, run.first * 4, run.count * 4}));
    std::vector<float> shifts;
    for (std::uint64_t r = 0; r < span.rows; ++r)
      for (std::uint64_t g = 0; g < span.cols; ++g)
        shifts.push_back(
            static_cast<float>(bit_field(&words[r * run.count], 1, (span.col + g) * bits - run.first * 32, bits)) -
            of_.shift_offset);
    return shifts;
  }

  RowCodes of_;
};

}  // namespace

std::shared_ptr<const TileSource> make_row_source(RowCodes layout) {
  return std::make_shared<RowSource>(std::move(layout));
}

std::array<float, 256> unsigned_values(float offset) {
  std::array<float, 256> values;
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - offset;
  return values;
}

std::array<float, 256> number_values(const NumberType& type) {
  std::array<float, 256> values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto byte = static_cast<std::byte>(i);
    values[i] = type.at(&byte);
  }
  return values;
}

std::array<float, 256> fp4_values() {
  std::array<float, 256> values{};
  for (std::size_t i = 0; i < 16; ++i) values[i] = i < 8 ? kFp4[i] : -kFp4[i - 8];
  return values;
}

}  // namespace quern
