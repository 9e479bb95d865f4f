// Tensors that a small PyTorch project quantized by hand and saved as a tuple each, under the name N of the tensor:
//
//   N.0  I8   any shape
//   N.1  F32  []  the scale
//
// w = q * scale, in binary32.
#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kCodes = ".0", kScale = ".1", kMore = ".2";

}  // namespace

void unpack_tuples(LayoutTable& table) {
  for (const TensorEntry* codes : table.ending_with(kCodes)) {
    const std::string name = module_of(codes->name, kCodes);
    const TensorEntry* scale = table.find(name + std::string(kScale));
    if (codes->encoding != "i8" || codes->shape.empty() || !element_count(codes->shape) || !scale ||
        scale->encoding != "f32" || element_count(scale->shape) != 1 || table.find(name + std::string(kMore)))
      continue;
    RowCodes of;
    of.cols = of.pitch = of.block_cols = codes->shape.back();
    of.rows = of.block_rows = element_count(codes->shape) / of.cols;
    of.codes = table.operand(*codes, codes->parts[0].file);
    of.values = number_values(number_type(*codes));
    of.scales = table.operand(*scale, codes->parts[0].file);
    of.scale_type = &number_type(*scale);
    table.take(*codes);
    table.take(*scale);
    table.put(tiled_entry(name, codes->shape, "f32", codes->parts[0], make_row_source(std::move(of))),
              "INT8 and a scale, in a tuple each");
  }
}

}  // namespace quern
