// optimum-quanto, 8 bits (0.2.7, tensor/qbytes.py). A linear layer M of shape [out, in]:
//
//   M.weight._data   I8, F8_E4M3 or F8_E5M2 [out, in]
//   M.weight._scale  [out, 1] or []  w = scale * q in its type
//
// 4 and 2 bits (tensor/qbits.py) are codes of groups, M.weight._data._data U8 [groups / 2, size], which do not say how
// many outputs they are of: the package has it from the model.
#include <algorithm>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kTypes[] = {"i8", "f8_e4m3", "f8_e5m2"};
constexpr std::string_view kCodes = "._data", kGroups = "._data._data";

}  // namespace

void unpack_quanto(LayoutTable& table) {
  for (const TensorEntry* codes : table.ending_with(kGroups))
    fail(ErrorCode::kInput,
         "{} {} is a matrix of optimum-quanto in 4 or 2 bits, whose file does not say its shape: save the model that "
         "the package dequantizes, or use the original model",
         codes->name, to_string(codes->shape));
  for (const TensorEntry* codes : table.ending_with(kCodes)) {
    const std::string name = module_of(codes->name, kCodes);
    const TensorEntry* scales = table.find(name + "._scale");
    if (!scales) continue;
    const std::uint64_t count = element_count(scales->shape);
    if (codes->shape.size() != 2 || !element_count(codes->shape) || !is_tile_type(scales->encoding) ||
        (count != 1 && scales->shape != Shape{codes->shape[0], 1}) ||
        std::ranges::find(kTypes, codes->encoding) == std::end(kTypes))
      fail(ErrorCode::kInput, "{} {} {} and {} {} {} are no matrix in the layout of optimum-quanto", codes->name,
           codes->encoding, to_string(codes->shape), scales->name, scales->encoding, to_string(scales->shape));
    const std::uint32_t home = codes->parts[0].file;
    RowCodes of;
    of.rows = codes->shape[0];
    of.cols = of.pitch = of.block_cols = codes->shape[1];
    of.codes = table.operand(*codes, home);
    of.values = number_values(number_type(*codes));
    of.scales = table.operand(*scales, home);
    of.scale_type = &number_type(*scales);
    of.grid_rows = count;
    of.block_rows = of.rows / count;
    const std::string layout =
        fmt::format("optimum-quanto, {}, {}", codes->encoding, count == 1 ? "a scale for all" : "a scale a row");
    table.take(*codes);
    table.take(*scales);
    table.put(tiled_entry(name, codes->shape, scales->encoding, codes->parts[0], make_row_source(std::move(of))),
              layout);
  }
}

}  // namespace quern
