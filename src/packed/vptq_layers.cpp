// VPTQ as its package stores it (vptq 0.0.5, layers/vqlinear.py, ops/quant_gemm.py and utils/pack.py). A linear layer M
// of shape [out, in] has vectors of v weights of one column, in v rows that follow each other, filled up behind the
// last row. Its columns come in an order of their own: first those of outliers, then `group_num` groups of
// `group_size`.
//
//   M.centroids.weight          T [groups, k * v]
//   M.res_centroids.weight      T [groups, residual k * v]   added to them
//   M.indices                   I32 [groups, ceil(out / v), words]  for each column index + residual index * k, in log2
//                               of both bits, the first in the lowest bits, filled up to words; or, where they are not
//                               packed, 16 bits each [groups, ceil(out / v), group_size], and as many in M.res_indices
//   M.outlier_centroids.weight  T [1, k * v] of lengths of their own
//   M.outlier_indices           16 bits [1, ceil(out / v), outlier_size]
//   M.perm                      16 or 64 bits [in]: which column of M each of these is
//   M.weight_scale, weight_bias T [in]: w = T(T(q * scale) + bias), columns as M has them
//
// Where that is a codec's (vptq_folder.h) its planes are presented; everything else is decoded while it is read.
//
// The lengths are in config.json alone: quantization_config, config_for_layers by module, or shared_layer_config by the
// last part of its name.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <optional>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/tiles.h"
#include "packed/vptq_folder.h"

namespace quern {
namespace {

constexpr std::string_view kIndices = ".indices", kCentroids = ".centroids.weight",
                           kResiduals = ".res_centroids.weight", kOutlierIndices = ".outlier_indices",
                           kOfOutliers = ".outlier_centroids.weight";
constexpr std::uint64_t kMostExtent = std::uint64_t{1} << 31, kMostCentroids = std::uint64_t{1} << 24;
constexpr std::uint64_t kMostOrderBytes = std::uint64_t{1} << 26;

using Round = float (*)(float);
template <std::uint16_t (*kRound)(float), float (*kWiden)(std::uint16_t)>
float rounded(float value) {
  return kWiden(kRound(value));
}

// Of one of the types that tiles are made of.
struct Numbers {
  const NumberType* type = nullptr;
  Round round = nullptr;

  std::vector<float> read(const Operand& from, const File& home, std::uint64_t first, std::uint64_t count) const {
    std::vector<std::byte> bytes(count * type->bytes);
    from.read(home, first * type->bytes, bytes);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = type->at(&bytes[i * type->bytes]);
    return values;
  }
};

Numbers numbers_of(const TensorEntry& entry) {
  if (entry.encoding == "f16") return {&number_type(entry), rounded<f32_to_f16, f16_to_f32>};
  if (entry.encoding == "bf16") return {&number_type(entry), rounded<f32_to_bf16, bf16_to_f32>};
  if (entry.encoding == "f32") return {&number_type(entry), [](float value) { return value; }};
  fail(ErrorCode::kInput, "{} is {}, but centroids of VPTQ are f16, bf16 or f32", entry.name, entry.encoding);
}

// Indices of one codebook for each group, one a vector and column.
struct IndexRows {
  Operand from;
  unsigned bits = 16;       // of each: a word, or a field of a packed one
  std::uint64_t pitch = 0;  // bytes of a row
  bool is_packed = false;

  std::uint32_t at(const std::vector<std::byte>& row, std::uint64_t column) const {
    if (!is_packed) return load<std::uint16_t>(&row[column * sizeof(std::uint16_t)]);
    std::uint64_t value = 0;
    const std::uint64_t bit = column * bits, byte = bit / 8;
    for (std::uint64_t i = 0; i < 8 && byte + i < row.size(); ++i)
      value |= std::to_integer<std::uint64_t>(row[byte + i]) << 8 * i;
    return static_cast<std::uint32_t>(value >> bit % 8 & ((std::uint64_t{1} << bits) - 1));
  }
};

struct Codebooks {
  Operand from;
  std::uint64_t count = 0;  // centroids of one
};

// Columns that share their codebooks' sizes: the outliers, or the groups of the others.
struct VectorColumns {
  std::uint64_t first = 0, groups = 0, group_size = 0, length = 0;
  IndexRows indices;
  std::optional<IndexRows> residual_indices;  // where they are not packed with the others
  Codebooks centroids;
  std::optional<Codebooks> residuals;

  std::uint64_t columns() const { return groups * group_size; }
};

struct Module {
  std::string name;
  std::uint64_t rows = 0, cols = 0;
  Numbers numbers;
  std::vector<VectorColumns> parts;
  std::vector<std::uint32_t> places;  // of each column of the matrix among those of the parts; empty: they are these
  std::optional<Operand> scale, bias;
  std::uint64_t stored_bytes = 0;
};

class VptqSource final : public TileSource {
 public:
  explicit VptqSource(Module of) : of_(std::move(of)) {}

  std::uint64_t stored_bytes() const override { return of_.stored_bytes; }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    for (const VectorColumns& part : of_.parts) decode_part(home, tile, part, values);
    if (!of_.scale) return;
    const std::vector<float> scale = of_.numbers.read(*of_.scale, home, tile.col, tile.cols),
                             bias = of_.numbers.read(*of_.bias, home, tile.col, tile.cols);
    for (std::uint64_t i = 0; i < values.size(); ++i) {
      const std::uint64_t c = i % tile.cols;
      values[i] = of_.numbers.round(of_.numbers.round(values[i] * scale[c]) + bias[c]);
    }
  }

 private:
  std::uint64_t place_of(std::uint64_t column) const { return of_.places.empty() ? column : of_.places[column]; }

  void decode_part(const File& home, const Tile& tile, const VectorColumns& part, std::span<float> values) const {
    const std::uint64_t index_rows = (of_.rows + part.length - 1) / part.length;
    for (std::uint64_t g = 0; g < part.groups; ++g) {
      const std::uint64_t begin = part.first + g * part.group_size, end = begin + part.group_size;
      std::vector<std::uint64_t> columns;  // of the tile
      for (std::uint64_t c = 0; c < tile.cols; ++c)
        if (const std::uint64_t place = place_of(tile.col + c); place >= begin && place < end) columns.push_back(c);
      if (columns.empty()) continue;
      const std::vector<float> main = codebook(home, part.centroids, part.length, g);
      const std::vector<float> residual =
          part.residuals ? codebook(home, *part.residuals, part.length, g) : std::vector<float>();
      for (std::uint64_t v = tile.row / part.length; v * part.length < tile.row + tile.rows; ++v) {
        const Row row{part, g * index_rows + v, main, residual};
        decode_row(home, tile, row, v * part.length, begin, columns, values);
      }
    }
  }

  // A row of indices, and what they count in.
  struct Row {
    const VectorColumns& part;
    std::uint64_t index = 0;
    const std::vector<float>&main, &residual;
  };

  static std::vector<std::byte> read_indices(const File& home, const IndexRows& indices, std::uint64_t row) {
    std::vector<std::byte> bytes(indices.pitch);
    indices.from.read(home, row * indices.pitch, bytes);
    return bytes;
  }

  std::vector<float> codebook(const File& home, const Codebooks& books, std::uint64_t length, std::uint64_t g) const {
    return of_.numbers.read(books.from, home, g * books.count * length, books.count * length);
  }

  void decode_row(const File& home, const Tile& tile, const Row& row, std::uint64_t first_row, std::uint64_t begin,
                  const std::vector<std::uint64_t>& columns, std::span<float> values) const {
    const VectorColumns& part = row.part;
    const std::vector<std::byte> bytes = read_indices(home, part.indices, row.index);
    const std::vector<std::byte> others =
        part.residual_indices ? read_indices(home, *part.residual_indices, row.index) : std::vector<std::byte>();
    const unsigned main_bits = std::bit_width(part.centroids.count - 1);
    const std::uint64_t from = std::max(first_row, tile.row),
                        to = std::min({first_row + part.length, tile.row + tile.rows, of_.rows});
    for (const std::uint64_t c : columns) {
      const std::uint64_t place = place_of(tile.col + c) - begin;
      std::uint64_t index = part.indices.at(bytes, place), second = 0;
      if (part.residual_indices) second = part.residual_indices->at(others, place);
      if (part.residuals && !part.residual_indices) {
        second = index >> main_bits;
        index &= (std::uint64_t{1} << main_bits) - 1;
      }
      check(index, part.centroids, row.index, place);
      if (part.residuals) check(second, *part.residuals, row.index, place);
      for (std::uint64_t r = from; r < to; ++r) {
        float value = row.main[index * part.length + r - first_row];
        if (part.residuals) value = of_.numbers.round(value + row.residual[second * part.length + r - first_row]);
        values[(r - tile.row) * tile.cols + c] = value;
      }
    }
  }

  void check(std::uint64_t index, const Codebooks& books, std::uint64_t row, std::uint64_t column) const {
    if (index >= books.count)
      fail(ErrorCode::kInput, "{}: index {} in row {}, column {} of its indices is outside {}, which has {} centroids",
           of_.name, index, row, column, books.from.name(), books.count);
  }

  Module of_;
};

// The settings of one module.
class Settings {
 public:
  Settings(const Json& of, std::string module) : of_(of), module_(std::move(module)) {}

  std::uint64_t number(std::string_view key, std::uint64_t most = kMostExtent) const {
    return checked(of_.find(key), key, most);
  }
  // [of outliers, of the others]; nothing where it is negative.
  std::array<std::optional<std::uint64_t>, 2> pair(std::string_view key) const {
    const Json* value = of_.find(key);
    if (!value || !value->is_array() || value->as_array().size() != 2)
      fail(ErrorCode::kInput, "{} of {} in config.json is {}, but two numbers were expected", key, module_,
           member_text(of_, key));
    std::array<std::optional<std::uint64_t>, 2> numbers;
    for (std::size_t i = 0; i < 2; ++i) {
      const Json& one = value->as_array()[i];
      const bool is_off = one.is_integer() && one.as_double() <= 0;
      if (!is_off) numbers[i] = checked(&one, key, kMostCentroids);
    }
    return numbers;
  }
  bool holds(std::string_view key) const {
    const Json* value = of_.find(key);
    return value && value->is_bool() && value->as_bool();
  }
  const std::string& module() const { return module_; }

 private:
  std::uint64_t checked(const Json* value, std::string_view key, std::uint64_t most) const {
    if (value && value->is_integer() && value->as_double() >= 0 && value->as_uint64() <= most)
      return value->as_uint64();
    fail(ErrorCode::kInput, "{} of {} in config.json is {}, but a number up to {} was expected", key, module_,
         value ? dump_json(*value) : "missing", most);
  }

  const Json& of_;
  std::string module_;
};

const Json* settings_of(const LayoutTable& table, const std::string& module) {
  const Json* quantization = find_quantization(table.config());
  if (!quantization || !quantization->is_object()) return nullptr;
  const auto member = [&](std::string_view key, std::string_view name) -> const Json* {
    const Json* layers = quantization->find(key);
    const Json* found = layers ? layers->find(name) : nullptr;
    return found && found->is_object() ? found : nullptr;
  };
  if (const Json* own = member("config_for_layers", module)) return own;
  return member("shared_layer_config", std::string_view(module).substr(module.rfind('.') + 1));
}

// The tensors of one module, taken out of the table one by one.
class Parts {
 public:
  Parts(LayoutTable& table, std::string module, std::uint32_t home)
      : table_(table), module_(std::move(module)), home_(home) {}

  const TensorEntry& take(std::string_view suffix, const Shape& shape) {
    const TensorEntry& entry = table_.need(module_ + std::string(suffix));
    if (entry.shape != shape)
      fail(ErrorCode::kInput, "{} is {} {}, but {} was expected", entry.name, entry.encoding, to_string(entry.shape),
           to_string(shape));
    stored_ += entry.bytes();
    table_.take(entry);
    return entry;
  }
  Operand operand(const TensorEntry& entry) const { return table_.operand(entry, home_); }

  Operand numbers(std::string_view suffix, const Shape& shape, std::string_view type) {
    const TensorEntry& entry = take(suffix, shape);
    if (entry.encoding != type)
      fail(ErrorCode::kInput, "{} is {}, but {} was expected", entry.name, entry.encoding, type);
    return operand(entry);
  }
  // One of 16 bits, whatever they are said to be.
  IndexRows words(std::string_view suffix, const Shape& shape) {
    const TensorEntry& entry = take(suffix, shape);
    if (entry.encoding != "i16" && entry.encoding != "u16" && entry.encoding != "f16")
      fail(ErrorCode::kInput, "{} is {}, but indices of 16 bits were expected", entry.name, entry.encoding);
    return {operand(entry), 16, shape.back() * sizeof(std::uint16_t), false};
  }
  IndexRows fields(std::string_view suffix, std::uint64_t groups, std::uint64_t rows, std::uint64_t columns,
                   unsigned bits) {
    const std::uint64_t words = (columns * bits + 31) / 32;
    return {numbers(suffix, {groups, rows, words}, "i32"), bits, words * sizeof(std::uint32_t), true};
  }
  std::uint64_t stored() const { return stored_; }

 private:
  LayoutTable& table_;
  std::string module_;
  std::uint32_t home_;
  std::uint64_t stored_ = 0;
};

std::vector<std::uint32_t> places_of(const LayoutTable& table, const TensorEntry& order) {
  const std::uint64_t width = order.encoding == "i64" ? 8 : 2;
  if (width == 2 && order.encoding != "i16" && order.encoding != "u16")
    fail(ErrorCode::kInput, "{} is {}, but an order of columns in 16 or 64 bits was expected", order.name,
         order.encoding);
  const std::vector<std::byte> bytes = table.read_small(order, kMostOrderBytes);
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> places(bytes.size() / width, kNone);
  for (std::size_t place = 0; place < places.size(); ++place) {
    const std::byte* at = &bytes[place * width];
    const std::uint64_t column = width == 8 ? load<std::uint64_t>(at) : load<std::uint16_t>(at);
    if (column >= places.size() || places[column] != kNone)
      fail(ErrorCode::kInput, "{} is no order of {} columns: {} stands in place {}", order.name, places.size(), column,
           place);
    places[column] = static_cast<std::uint32_t>(place);
  }
  return places;
}

unsigned bits_of(std::uint64_t centroids) { return static_cast<unsigned>(std::bit_width(centroids - 1)); }

VectorColumns main_columns(const Settings& settings, std::uint64_t rows, Parts& parts, std::string_view type) {
  const auto lengths = settings.pair("vector_lens"), counts = settings.pair("num_centroids"),
             residual = settings.pair("num_res_centroids");
  VectorColumns main{.groups = settings.number("group_num"), .group_size = settings.number("group_size")};
  if (!lengths[1] || !counts[1] || !main.groups || !main.group_size)
    fail(ErrorCode::kInput, "{} has no vectors, centroids or groups in config.json", settings.module());
  main.length = *lengths[1];
  const std::uint64_t vectors = (rows + main.length - 1) / main.length;
  main.centroids = {parts.numbers(kCentroids, {main.groups, *counts[1] * main.length}, type), *counts[1]};
  if (residual[1])
    main.residuals = {parts.numbers(kResiduals, {main.groups, *residual[1] * main.length}, type), *residual[1]};
  if (settings.holds("is_indice_packed")) {
    const unsigned bits = bits_of(*counts[1]) + (residual[1] ? bits_of(*residual[1]) : 0);
    if (bits > 32 || bits == 0)
      fail(ErrorCode::kInput, "{} has indices of {} bits in config.json; 1 to 32 were expected", settings.module(),
           bits);
    main.indices = parts.fields(kIndices, main.groups, vectors, main.group_size, bits);
    return main;
  }
  main.indices = parts.words(kIndices, {main.groups, vectors, main.group_size});
  if (residual[1]) main.residual_indices = parts.words(".res_indices", {main.groups, vectors, main.group_size});
  return main;
}

std::optional<VectorColumns> outlier_columns(const Settings& settings, std::uint64_t rows, Parts& parts,
                                             std::string_view type) {
  const auto lengths = settings.pair("vector_lens"), counts = settings.pair("num_centroids");
  if (!lengths[0] || *lengths[0] < 2 || !counts[0]) return std::nullopt;
  VectorColumns outliers{.groups = 1, .group_size = settings.number("outlier_size"), .length = *lengths[0]};
  outliers.centroids = {parts.numbers(kOfOutliers, {1, *counts[0] * outliers.length}, type), *counts[0]};
  outliers.indices =
      parts.words(kOutlierIndices, {1, (rows + outliers.length - 1) / outliers.length, outliers.group_size});
  return outliers;
}

Module module_at(const TensorEntry& centroids, const Settings& settings, LayoutTable& table, std::uint32_t home) {
  Module m{.name = settings.module(), .rows = settings.number("out_features"), .cols = settings.number("in_features")};
  m.numbers = numbers_of(centroids);
  Parts parts(table, m.name, home);
  if (std::optional<VectorColumns> outliers = outlier_columns(settings, m.rows, parts, centroids.encoding))
    m.parts.push_back(std::move(*outliers));
  m.parts.push_back(main_columns(settings, m.rows, parts, centroids.encoding));
  m.parts.back().first = m.parts.front().columns() * (m.parts.size() - 1);
  if (const std::uint64_t found = m.parts.back().first + m.parts.back().columns(); found != m.cols || m.rows == 0)
    fail(ErrorCode::kInput, "{} is [{}, {}] in config.json, but its outliers and groups have {} columns", m.name,
         m.rows, m.cols, found);
  if (settings.holds("enable_perm")) m.places = places_of(table, parts.take(".perm", {m.cols}));
  if (settings.holds("enable_norm")) {
    m.scale = parts.numbers(".weight_scale", {m.cols}, centroids.encoding);
    m.bias = parts.numbers(".weight_bias", {m.cols}, centroids.encoding);
  }
  m.stored_bytes = parts.stored();
  return m;
}

// The columns of outliers, where all columns are in a codec's order; nothing where they are not.
std::optional<std::vector<std::uint32_t>> outliers_in_order(const Module& m, const VectorEncoding& encoding) {
  const std::uint64_t count = m.parts.size() == 2 ? m.parts[0].group_size : 0;
  if (count != encoding.outliers(m.cols) || (count > 0 && m.parts[0].length != encoding.half())) return std::nullopt;
  if (count == 0) return m.places.empty() ? std::optional(std::vector<std::uint32_t>()) : std::nullopt;
  const auto place_of = [&](std::uint32_t column) { return m.places.empty() ? column : m.places[column]; };
  std::vector<std::uint32_t> outliers;
  for (std::uint32_t c = 0; c < m.cols; ++c)
    if (place_of(c) < count) outliers.push_back(c);
  const std::vector<std::uint32_t> order = order_of_columns(outliers, m.cols);
  for (std::uint32_t k = 0; k < m.cols; ++k)
    if (place_of(order[k]) != k) return std::nullopt;
  return outliers;
}

// Whether the last vector of outliers has both its halves.
bool has_whole_outliers(const Module& m) {
  return m.parts.size() == 1 || (m.rows + m.parts[0].length - 1) / m.parts[0].length % 2 == 0;
}

// The tensors that planes are made of.
struct PlaneTensors {
  const TensorEntry *centroids, *indices, *residuals, *outlier_indices, *of_outliers;
};

// As a codec has it; nothing where none does.
std::optional<TensorEntry> planes_of(const Module& m, const PlaneTensors& from, const LayoutTable& table) {
  const VectorColumns& main = m.parts.back();
  const bool has_outliers = m.parts.size() == 2;
  const VectorEncoding* encoding =
      find_vector_encoding(main.length, main.centroids.count, main.residuals ? main.residuals->count : 0,
                           has_outliers ? m.parts[0].centroids.count : 0);
  const bool is_plain = main.groups == 1 && main.indices.is_packed && !m.scale && has_whole_outliers(m) &&
                        from.centroids->encoding == kFloat32;
  if (!encoding || !is_plain) return std::nullopt;
  std::optional<std::vector<std::uint32_t>> outliers = outliers_in_order(m, *encoding);
  if (!outliers) return std::nullopt;
  std::vector<TensorPart> parts = planes_of_vectors(
      {m.rows, m.cols, from.indices, from.centroids, from.residuals, has_outliers ? from.outlier_indices : nullptr,
       has_outliers ? from.of_outliers : nullptr, std::move(*outliers)},
      *encoding, table);
  if (parts.empty()) return std::nullopt;
  return TensorEntry{
      m.name + std::string(kWeightSuffix), {m.rows, m.cols}, std::string(encoding->name), std::move(parts)};
}

}  // namespace

void unpack_vptq(LayoutTable& table) {
  for (const TensorEntry* centroids : table.ending_with(kCentroids)) {
    const std::string module = module_of(centroids->name, kCentroids);
    const TensorEntry* indices = table.find(module + std::string(kIndices));
    if (!indices) continue;
    const Json* settings = settings_of(table, module);
    if (!settings)
      fail(ErrorCode::kInput,
           "{} and {} are a matrix of VPTQ, whose lengths of vectors are in config.json (quantization_config, "
           "config_for_layers), but there is nothing of {}: put the model's own config.json beside it",
           indices->name, centroids->name, module);
    const TensorPart home = indices->parts[0];
    const std::string type = centroids->encoding;
    const PlaneTensors found{centroids, indices, table.find(module + std::string(kResiduals)),
                             table.find(module + std::string(kOutlierIndices)),
                             table.find(module + std::string(kOfOutliers))};
    Module m = module_at(*centroids, Settings(*settings, module), table, home.file);
    if (std::optional<TensorEntry> planes = planes_of(m, found, table)) {
      table.put(std::move(*planes), "");
      continue;
    }
    const VectorColumns& main = m.parts.back();
    const std::string layout =
        fmt::format("VPTQ, vectors of {}, {} centroids{}", main.length, main.centroids.count,
                    main.residuals ? fmt::format(" and {} residuals", main.residuals->count) : "");
    const Shape shape = {m.rows, m.cols};
    table.put(
        tiled_entry(module + std::string(kWeightSuffix), shape, type, home, std::make_shared<VptqSource>(std::move(m))),
        layout);
  }
}

}  // namespace quern
