// MLX (0.32, mlx/backend/cpu/quantized.cpp; mode "affine" and the float modes). A matrix X of shape [.., out, in] with
// codes of b bits, b = 2, 3, 4, 5, 6 or 8, in groups of g weights, g = 32, 64 or 128:
//
//   X.weight  U32 [.., out, in * b / 32]  one stream of bits along a row, the first in the lowest ones
//   X.scales  [.., out, in / g]           of the model's type T
//   X.biases  [.., out, in / g]           w = T(T(scale * q) + bias), q >= 0
//
// Without biases codes are floats under scales of a byte, and w is bfloat16: mxfp4 (b = 4, g = 32) and mxfp8 (b = 8,
// g = 32) with powers of two, nvfp4 (b = 4, g = 16) with e4m3.
//
// Shapes give b * g alone. Where config.json does not say more, a pair is taken with which the matrix has as many
// inputs as a vector has elements, or another matrix outputs; of several the one that suits the most matrices.
#include <algorithm>
#include <set>

#include "base/fail.h"
#include "base/scalars.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kScales = ".scales", kBiases = ".biases";

struct Grid {
  unsigned bits;
  std::uint64_t group;
  std::uint64_t product() const { return bits * group; }
};
// In the order of preference where nothing tells: MLX's default first.
constexpr Grid kAffine[] = {{4, 64}, {8, 64}, {6, 64}, {5, 64},  {3, 64},  {2, 64},  {4, 32},  {8, 32},  {6, 32},
                            {5, 32}, {3, 32}, {2, 32}, {4, 128}, {8, 128}, {6, 128}, {5, 128}, {3, 128}, {2, 128}};

struct FloatMode {
  std::string_view name;
  Grid grid;
  std::string_view scale;
};
constexpr FloatMode kFloatModes[] = {
    {"MXFP4", {4, 32}, "f8_e8m0"}, {"MXFP8", {8, 32}, "f8_e8m0"}, {"NVFP4", {4, 16}, "f8_e4m3"}};

struct Module {
  std::string name;
  const TensorEntry *codes = nullptr, *scales = nullptr, *biases = nullptr;
  std::uint64_t words = 0, groups = 0, rows = 0;  // of a row; out
  std::uint64_t product = 0;                      // bits * group
};

Module module_at(const TensorEntry& scales, const TensorEntry& codes, const LayoutTable& table) {
  Module m;
  m.name = module_of(scales.name, kScales);
  m.codes = &codes;
  m.scales = &scales;
  m.biases = table.find(m.name + std::string(kBiases));
  const Shape &words = codes.shape, &groups = scales.shape;
  const bool same = words.size() >= 2 && words.size() == groups.size() && element_count(words) &&
                    element_count(groups) && std::equal(words.begin(), words.end() - 1, groups.begin());
  if (!same || words.back() * 32 % groups.back())
    fail(ErrorCode::kInput, "{} {} and {} {} are no matrix in MLX's layout", codes.name, to_string(words), scales.name,
         to_string(groups));
  if (m.biases) table.need(m.biases->name, scales.encoding, groups);
  m.words = words.back();
  m.groups = groups.back();
  m.rows = words[words.size() - 2];
  m.product = m.words * 32 / m.groups;
  return m;
}

std::uint64_t integer_member(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value && value->is_integer() && value->as_double() > 0 ? value->as_uint64() : 0;
}

// {0, 0}: the configuration does not state what fits the tensors.
Grid stated_grid(const Module& m, const LayoutTable& table) {
  for (const std::string_view key : {"quantization", "quantization_config"}) {
    const Json* config = table.config().is_object() ? table.config().find(key) : nullptr;
    if (!config || !config->is_object()) continue;
    const Json* own = config->find(m.name);
    for (const Json* object : {own && own->is_object() ? own : nullptr, config}) {
      if (!object) continue;
      const std::uint64_t bits = integer_member(*object, "bits"), group = integer_member(*object, "group_size");
      const auto at = std::ranges::find_if(kAffine, [&](Grid g) { return g.bits == bits && g.group == group; });
      if (at != std::end(kAffine) && at->product() == m.product) return *at;
    }
  }
  return {0, 0};
}

// How many elements vectors have, and how many outputs matrices.
std::set<std::uint64_t> known_lengths(const LayoutTable& table, const std::vector<Module>& modules) {
  std::set<std::uint64_t> lengths;
  for (const TensorEntry& tensor : table.tensors())
    if (tensor.shape.size() == 1) lengths.insert(tensor.shape[0]);
  for (const Module& m : modules) lengths.insert(m.rows);
  return lengths;
}

// Chooses by shapes what no configuration says.
class GridGuess {
 public:
  GridGuess(const LayoutTable& table, const std::vector<Module>& modules) : lengths_(known_lengths(table, modules)) {
    for (const Grid grid : kAffine)
      votes_.push_back(std::ranges::count_if(modules, [&](const Module& m) { return m.biases && suits(grid, m); }));
  }

  // {0, 0}: no pair has the product.
  Grid of(const Module& m) const {
    Grid best = {0, 0};
    std::pair<bool, std::ptrdiff_t> most = {false, -1};
    for (std::size_t k = 0; k < votes_.size(); ++k) {
      const std::pair<bool, std::ptrdiff_t> weight = {suits(kAffine[k], m), votes_[k]};
      if (kAffine[k].product() != m.product || weight <= most) continue;
      most = weight;
      best = kAffine[k];
    }
    return best;
  }

 private:
  // Whether the matrix would have as many inputs as something else has elements.
  bool suits(Grid grid, const Module& m) const {
    return grid.product() == m.product && lengths_.contains(m.groups * grid.group);
  }

  std::set<std::uint64_t> lengths_;
  std::vector<std::ptrdiff_t> votes_;  // a pair of kAffine each
};

template <std::uint16_t (*kRound)(float), float (*kWiden)(std::uint16_t)>
float affine(float code, float scale, float bias) {
  return kWiden(kRound(scale * code)) + bias;
}

// Rounding of the sum is that of the entry's type.
RowCodes::Combine affine_of(const TensorEntry& scales) {
  if (scales.encoding == "f16") return affine<f32_to_f16, f16_to_f32>;
  if (scales.encoding == "bf16") return affine<f32_to_bf16, bf16_to_f32>;
  if (scales.encoding == "f32") return [](float code, float scale, float bias) { return scale * code + bias; };
  fail(ErrorCode::kInput, "{} is {}, but f16, bf16 or f32 was expected", scales.name, scales.encoding);
}

RowCodes codes_of(const Module& m, Grid grid, const LayoutTable& table) {
  const std::uint32_t home = m.codes->parts[0].file;
  RowCodes of;
  of.rows = of.grid_rows = m.rows;
  of.cols = m.groups * grid.group;
  of.codes = table.operand(*m.codes, home);
  of.order = {grid.bits, 0};
  of.pitch = m.words * 4;
  of.scales = table.operand(*m.scales, home);
  of.grid_cols = m.groups;
  of.block_cols = grid.group;
  return of;
}

void put(const Module& m, RowCodes of, std::string_view encoding, const std::string& layout, LayoutTable& table) {
  Shape shape = m.codes->shape;
  shape.back() = of.cols;
  for (const TensorEntry* entry : {m.codes, m.scales, m.biases})
    if (entry) table.take(*entry);
  table.put(tiled_entry(m.codes->name, std::move(shape), encoding, m.codes->parts[0], make_row_source(std::move(of))),
            layout);
}

void unpack_affine(const Module& m, Grid grid, LayoutTable& table) {
  RowCodes of = codes_of(m, grid, table);
  if (stated_grid(m, table).bits == 0) table.compare_with_config(grid.bits, grid.group);
  of.values = unsigned_values(0);
  of.scale_type = of.shift_type = &number_type(*m.scales);
  of.shifts = table.operand(*m.biases, m.codes->parts[0].file);
  of.combine = affine_of(*m.scales);
  put(m, std::move(of), m.scales->encoding, fmt::format("MLX, {} bits, groups of {}", grid.bits, grid.group), table);
}

void unpack_floats(const Module& m, LayoutTable& table) {
  const auto mode =
      std::ranges::find_if(kFloatModes, [&](const FloatMode& f) { return f.grid.product() == m.product; });
  if (m.scales->encoding != "u8" || mode == std::end(kFloatModes))
    fail(ErrorCode::kInput, "{} {} {} beside {} {}, without biases, is no layout of MLX that is known", m.scales->name,
         m.scales->encoding, to_string(m.scales->shape), m.codes->name, to_string(m.codes->shape));
  RowCodes of = codes_of(m, mode->grid, table);
  of.values = mode->grid.bits == 4 ? fp4_values() : number_values(*find_number_type("f8_e4m3"));
  of.scale_type = find_number_type(mode->scale);
  put(m, std::move(of), "bf16", fmt::format("MLX, {}", mode->name), table);
}

}  // namespace

void unpack_mlx(LayoutTable& table) {
  std::vector<Module> modules;
  for (const TensorEntry* scales : table.ending_with(kScales)) {
    const TensorEntry* codes = table.find(module_of(scales->name, kScales) + std::string(kWeightSuffix));
    if (codes && codes->encoding == "u32") modules.push_back(module_at(*scales, *codes, table));
  }
  const GridGuess guess(table, modules);
  for (const Module& m : modules) {
    if (!m.biases) {
      unpack_floats(m, table);
      continue;
    }
    Grid grid = stated_grid(m, table);
    if (grid.bits == 0) grid = guess.of(m);
    if (grid.bits == 0)
      fail(ErrorCode::kInput, "{} {} and {} {} are no codes of 2 to 8 bits in groups of 32, 64 or 128", m.codes->name,
           to_string(m.codes->shape), m.scales->name, to_string(m.scales->shape));
    unpack_affine(m, grid, table);
  }
}

}  // namespace quern
