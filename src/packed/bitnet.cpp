// BitNet as transformers packs it (transformers 5, integrations/bitnet.py, pack_weights). A linear layer M of shape
// [out, in]:
//
//   M.weight        U8 [out / 4, in]  four rows a byte: row r + k * out / 4 in bits 2 k; code less 1 is -1, 0 or 1
//   M.weight_scale  one number of any float; the class BitLinear divides by it (it is 1 / mean|w|), AutoBitLinear,
//                   where config.json names `linear_class` "autobitlinear", multiplies with it
//
// Read as binary32. Activations of 8 bits, which such a model was trained with, are not imitated.
#include <algorithm>

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

bool multiplies(const LayoutTable& table) {
  const Json* config = find_quantization(table.config());
  return config && member_text(*config, "linear_class") == "autobitlinear";
}

}  // namespace

void unpack_bitnet(LayoutTable& table) {
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
