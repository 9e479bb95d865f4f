// BitNet as transformers packs it (transformers 5, integrations/bitnet.py, pack_weights). A linear layer M of shape
// [out, in]:
//
//   M.weight        U8 [out / 4, in]  four rows a byte: row r + k * out / 4 in bits 2 k; code less 1 is -1, 0 or 1
//   M.weight_scale  one number of any float; the class BitLinear divides by it (it is 1 / mean|w|), AutoBitLinear,
//                   where config.json names `linear_class` "autobitlinear", multiplies with it
//
// Read as binary32. Or as it was trained, where quantization_config says `quantization_mode` "online":
//
//   M.weight  floats [out, in], from which the class AutoBitLinear makes ternary ones whenever it computes:
//             clip(round(w / g), -1, 1) * g with g = mean|w| of the tensor, at least 1e-5, rounded to the type of
//             M.weight
//
// Read as what is computed with. Activations of 8 bits, which such a model was trained with, are not imitated.
#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/tiles.h"

namespace quern {
namespace {

constexpr std::string_view kScale = ".weight_scale";
constexpr std::uint64_t kPerByte = 4;
constexpr unsigned kNoCode = 3;

class BitnetSource final : public TileSource {
 public:
  BitnetSource(Operand codes, float value) : codes_(std::move(codes)), value_(value) {}

  std::uint64_t stored_bytes() const override { return codes_.stored_bytes(); }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::uint64_t rows = codes_.shape()[0], cols = codes_.shape()[1];
    std::vector<std::byte> codes(tile.cols);
    for (std::uint64_t r = 0; r < tile.rows; ++r) {
      const std::uint64_t row = tile.row + r;
      codes_.read(home, row % rows * cols + tile.col, codes);
      for (std::uint64_t c = 0; c < tile.cols; ++c) {
        const unsigned code = std::to_integer<unsigned>(codes[c]) >> 2 * (row / rows) & 3u;
        if (code == kNoCode)
          fail(ErrorCode::kInput, "{} has code 3 in row {}, column {}; ternary weights have 0, 1 and 2", codes_.name(),
               row, tile.col + c);
        values[r * tile.cols + c] = static_cast<float>(static_cast<int>(code) - 1) * value_;
      }
    }
  }

 private:
  Operand codes_;
  float value_;  // of the code 1
};

// Floats that are made ternary. The scale is computed when the first of them is read.
class AbsmeanSource final : public TileSource {
 public:
  AbsmeanSource(Operand weights, const NumberType& type) : weights_(std::move(weights)), type_(type) {}

  std::uint64_t stored_bytes() const override { return weights_.stored_bytes(); }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    std::call_once(found_, [&] { inverse_ = 1.0f / find_scale(home); });
    const std::uint64_t cols = weights_.shape()[1];
    for (std::uint64_t r = 0; r < tile.rows; ++r) {
      const std::span<float> row = values.subspan(r * tile.cols, tile.cols);
      read(home, (tile.row + r) * cols + tile.col, row);
      for (float& value : row) value = std::clamp(std::nearbyint(value * inverse_), -1.0f, 1.0f) / inverse_;
    }
  }

 private:
  void read(const File& home, std::uint64_t first, std::span<float> values) const {
    std::vector<std::byte> bytes(values.size() * type_.bytes);
    weights_.read(home, first * type_.bytes, bytes);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = type_.at(&bytes[i * type_.bytes]);
  }

  float find_scale(const File& home) const {
    constexpr float kLeastScale = 1e-5f;
    std::vector<float> row(weights_.shape()[1]);
    double sum = 0;
    for (std::uint64_t r = 0; r < weights_.shape()[0]; ++r) {
      read(home, r * row.size(), row);
      for (const float value : row) sum += std::abs(value);
    }
    const double count = static_cast<double>(weights_.shape()[0]) * static_cast<double>(row.size());
    return std::max(static_cast<float>(sum / count), kLeastScale);
  }

  Operand weights_;
  const NumberType& type_;
  mutable std::once_flag found_;
  mutable float inverse_ = 0;
};

// Modules that stay floats: the head, and those whose names have one of these in them.
bool stays_float(const std::string& module, const Json& quantization) {
  if (is_embedding_module(module) || module.find("lm_head") != std::string::npos) return true;
  const Json* kept = quantization.find("modules_to_not_convert");
  return kept && kept->is_array() && std::ranges::any_of(kept->as_array(), [&](const Json& part) {
           return part.is_string() && module.find(part.as_string()) != std::string::npos;
         });
}

void unpack_online(LayoutTable& table, const Json& quantization) {
  for (const TensorEntry* weight : table.ending_with(kWeightSuffix)) {
    if (weight->shape.size() != 2 || !element_count(weight->shape) || !is_tile_type(weight->encoding) ||
        stays_float(module_of(weight->name), quantization))
      continue;
    table.take(*weight);
    auto source = std::make_shared<AbsmeanSource>(table.operand(*weight, weight->parts[0].file), number_type(*weight));
    table.put(tiled_entry(weight->name, weight->shape, weight->encoding, weight->parts[0], std::move(source)),
              "BitNet as it was trained, made ternary as it is read");
  }
}

bool multiplies(const LayoutTable& table) {
  const Json* config = find_quantization(table.config());
  return config && member_text(*config, "linear_class") == "autobitlinear";
}

}  // namespace

void unpack_bitnet(LayoutTable& table) {
  if (const Json* quantization = find_quantization(table.config());
      quantization && member_text(*quantization, "quant_method") == "bitnet" &&
      member_text(*quantization, "quantization_mode") == "online")
    unpack_online(table, *quantization);
  for (const TensorEntry* scale : table.ending_with(kScale)) {
    const std::string module = module_of(scale->name, kScale);
    const TensorEntry* codes = table.find(module + std::string(kWeightSuffix));
    if (!codes || codes->encoding != "u8" || codes->shape.size() != 2 || !element_count(codes->shape) ||
        element_count(scale->shape) != 1)
      continue;
    const NumberType& type = number_type(*scale);
    const std::vector<std::byte> bytes = table.read_small(*scale, sizeof(float));
    const float number = type.at(bytes.data()), value = multiplies(table) ? number : 1.0f / number;
    table.take(*codes);
    table.take(*scale);
    const Shape shape = {codes->shape[0] * kPerByte, codes->shape[1]};
    table.put(tiled_entry(codes->name, shape, "f32", codes->parts[0],
                          std::make_shared<BitnetSource>(table.operand(*codes, codes->parts[0].file), value)),
              "BitNet, ternary, four rows a byte");
  }
}

}  // namespace quern
