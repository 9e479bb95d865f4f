// MXFP4 experts of gpt-oss (transformers 5, integrations/mxfp4.py, convert_moe_packed_tensors). A parameter P of
// shape [experts, in, out], bfloat16:
//
//   P_blocks  U8 [experts, out, groups, 16]  pairs of 4-bit floats along `in`, the first in the low bits
//   P_scales  U8 [experts, out, groups]      exponents of 32 of them, less 127
//
// transformers turns each matrix round while it decodes, and so does this reader: what is read is its parameter.
#include <algorithm>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kBlocks = "_blocks", kScales = "_scales";
constexpr std::uint64_t kGroup = 32, kGroupBytes = 16;

// Matrices of [rows, cols], one behind the other, each stored as [cols, rows].
class TurnedSource final : public TileSource {
 public:
  TurnedSource(std::shared_ptr<const TileSource> stored, std::uint64_t rows, std::uint64_t cols)
      : stored_(std::move(stored)), rows_(rows), cols_(cols) {}

  std::uint64_t stored_bytes() const override { return stored_->stored_bytes(); }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::uint64_t matrix = tile.row / rows_;
    std::vector<float> turned(values.size());
    stored_->decode(home, {matrix * cols_ + tile.col, tile.cols, tile.row % rows_, tile.rows}, turned);
    for (std::uint64_t r = 0; r < tile.rows; ++r)
      for (std::uint64_t c = 0; c < tile.cols; ++c) values[r * tile.cols + c] = turned[c * tile.rows + r];
  }

 private:
  std::shared_ptr<const TileSource> stored_;
  std::uint64_t rows_, cols_;
};

}  // namespace

void unpack_mxfp4_experts(LayoutTable& table) {
  for (const TensorEntry* blocks : table.ending_with(kBlocks)) {
    const std::string name = module_of(blocks->name, kBlocks);
    const TensorEntry* scales = table.find(name + std::string(kScales));
    const Shape& shape = blocks->shape;
    if (!scales || blocks->encoding != "u8" || shape.size() != 4 || shape[3] != kGroupBytes || !element_count(shape))
      continue;
    table.need(scales->name, "u8", {shape[0], shape[1], shape[2]});
    const std::uint32_t home = blocks->parts[0].file;
    RowCodes of;
    of.rows = of.grid_rows = shape[1];
    of.cols = shape[2] * kGroup;
    of.codes = table.operand(*blocks, home);
    of.order = {4, 0};
    of.pitch = shape[2] * kGroupBytes;
    of.values = fp4_values();
    of.scales = table.operand(*scales, home);
    of.scale_type = find_number_type("f8_e8m0");
    of.grid_cols = shape[2];
    of.block_cols = kGroup;
    const std::uint64_t rows = of.cols, cols = of.rows;
    auto source = std::make_shared<TurnedSource>(make_row_source(std::move(of)), rows, cols);
    table.take(*blocks);
    table.take(*scales);
    table.put(tiled_entry(name, {shape[0], rows, cols}, "bf16", blocks->parts[0], std::move(source)),
              "MXFP4 experts of gpt-oss, groups of 32");
  }
}

}  // namespace quern
