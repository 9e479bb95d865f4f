// Bytes of the side information, and indices as symbols.
#include "codec/hyper_side.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::size_t kFloats = 5, kPlaceBytes = kFloats * sizeof(float) + 1;

void append_table(const FrequencyTable& table, std::vector<std::byte>& out) {
  const std::vector<std::byte> bytes = table.serialise();
  out.resize(out.size() + sizeof(std::uint16_t));
  store(out.data() + out.size() - sizeof(std::uint16_t), static_cast<std::uint16_t>(bytes.size()));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

FrequencyTable take_table(ByteSpan& bytes) {
  const std::size_t size = bytes.size() < sizeof(std::uint16_t) ? 0 : load<std::uint16_t>(bytes.data());
  if (bytes.size() < sizeof(std::uint16_t) || size > bytes.size() - sizeof(std::uint16_t))
    fail(ErrorCode::kInput, "the tables of the grid end early");
  const ByteSpan table = bytes.subspan(sizeof(std::uint16_t), size);
  bytes = bytes.subspan(sizeof(std::uint16_t) + size);
  return FrequencyTable::parse(table);
}

HyperPlace parse_place(const HyperSetting& setting, ByteSpan bytes) {
  std::array<float, kFloats> f;
  for (std::size_t i = 0; i < kFloats; ++i) f[i] = load<float>(bytes.data() + i * sizeof(float));
  const auto classes = std::to_integer<std::uint32_t>(bytes[kFloats * sizeof(float)]);
  const bool is_fixed = setting.side_in == HyperSetting::Side::kAbsolute;
  if (!std::ranges::all_of(f, [](float v) { return std::isfinite(v); }) || std::signbit(f[0]) ||
      (is_fixed && f[0] != setting.side))
    fail(ErrorCode::kInput, "a grid of side {} around ({}, {}) that reaches ({}, {}) cannot be", f[0], f[1], f[2], f[3],
         f[4]);
  if (classes == 0 || classes > setting.most_classes)
    fail(ErrorCode::kInput, "a grid has 1 to {} classes, not {}", setting.most_classes, classes);
  return {.side = f[0], .centre = {f[1], f[2]}, .farthest = {f[3], f[4]}, .classes = classes};
}

}  // namespace

HyperSymbols symbols_of(const HyperGrid& grid, std::uint32_t index) {
  const std::uint32_t s = grid.per_side(), m = index / (s * s + 1), rest = index % (s * s + 1);
  const std::uint32_t row = rest == 0 ? 0 : 1 + (rest - 1) % s, column = rest == 0 ? s / 2 : (rest - 1) / s;
  return {static_cast<std::uint8_t>(m * (s + 1) + row), static_cast<std::uint8_t>(column)};
}

std::uint32_t index_of(const HyperGrid& grid, HyperSymbols symbols) {
  const std::uint32_t s = grid.per_side(), m = symbols.row / (s + 1), row = symbols.row % (s + 1);
  if (m > grid.place().classes || symbols.column >= s || (row == 0 && symbols.column != s / 2))
    fail(ErrorCode::kInput, "symbols {} and {} are no index of {} rows of points and {} classes", symbols.row,
         symbols.column, s, grid.place().classes);
  return m * (s * s + 1) + (row == 0 ? 0 : symbols.column * s + row);
}

std::vector<std::byte> HyperSide::serialise() const {
  const HyperPlace& place = grid_.place();
  std::vector<std::byte> out(kPlaceBytes);
  const float floats[kFloats] = {place.side, place.centre[0], place.centre[1], place.farthest[0], place.farthest[1]};
  for (std::size_t i = 0; i < kFloats; ++i) store(out.data() + i * sizeof(float), floats[i]);
  out.back() = static_cast<std::byte>(place.classes);
  if (!tables_) return out;
  append_table(tables_->rows, out);
  append_table(tables_->columns, out);
  return out;
}

std::shared_ptr<const HyperSide> parse_hyper_side(const HyperSetting& setting, HyperCoding coding, ByteSpan bytes) {
  if (bytes.size() < kPlaceBytes) fail(ErrorCode::kInput, "{} bytes are no grid", bytes.size());
  const HyperPlace place = parse_place(setting, bytes.first(kPlaceBytes));
  bytes = bytes.subspan(kPlaceBytes);
  std::optional<HyperTables> tables;
  if (coding == HyperCoding::kEntropy) {
    FrequencyTable rows = take_table(bytes), columns = take_table(bytes);
    tables.emplace(std::move(rows), std::move(columns));
  }
  if (!bytes.empty()) fail(ErrorCode::kInput, "a grid has {} bytes too many", bytes.size());
  return std::make_shared<const HyperSide>(HyperGrid(setting, place), std::move(tables));
}

const HyperSide& hyper_side(const Codec& codec) { return static_cast<const HyperSide&>(*codec.tensor_side); }

unsigned hyper_padding_bits(const HyperGrid& grid, std::size_t pairs) {
  return static_cast<unsigned>((8 - pairs * grid.index_bits() % 8) % 8);
}

HyperRows::HyperRows(const Codec& codec, std::size_t weights)
    : codec_(codec),
      side_(hyper_side(codec)),
      pairs_((weights + 1) / 2),
      numbers_(PackedNumbers::Order::kHighFirst, side_.grid().index_bits(), hyper_padding_bits(side_.grid(), pairs_)),
      rows_(codec.is_measured() ? pairs_ : 0),
      columns_(rows_.size()) {}

void HyperRows::read(std::span<const std::byte> row, std::span<std::uint32_t> indices) {
  if (codec_.is_measured()) return read_coded(row, indices);
  numbers_.read(row, indices);
  const std::uint32_t count = side_.grid().indices();
  std::uint32_t largest = 0;
  for (const std::uint32_t index : indices) largest = std::max(largest, index);
  if (largest >= count)
    fail(ErrorCode::kInput, "index {} is outside the {} of the grid of {}", largest, count, codec_.name);
}

void HyperRows::read_coded(std::span<const std::byte> row, std::span<std::uint32_t> indices) {
  std::ranges::fill(indices, 0u);
  if (pairs_ == 0 && row.empty()) return;
  const DecodedRun runs[] = {{&side_.tables().rows, rows_}, {&side_.tables().columns, columns_}};
  rans_decode(row, runs, {});
  for (std::size_t i = 0; i < pairs_; ++i) indices[i] = index_of(side_.grid(), {rows_[i], columns_[i]});
}

}  // namespace quern
