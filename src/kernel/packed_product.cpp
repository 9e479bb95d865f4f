// Chooses the kernels of the processor; rows of codecs without one are decoded a few at a time and multiplied as
// floats.
#include "kernel/packed_product.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/fail.h"
#include "kernel/dot_kernels.h"

namespace quern {
namespace {

const DotKernels* const kInOrder[] = {
#if defined(__x86_64__)
    &kAvx512VnniDots, &kAvxVnniDots, &kAvx2Dots,
#endif
    &kPortableDots};

const DotKernels& kernels_in_use() {
  static const DotKernels& chosen =
      **std::ranges::find_if(kInOrder, [](const DotKernels* kernels) { return kernels->usable(); });
  return chosen;
}

DotKernel kernel_of(const DotKernels& kernels, CodeLayout layout) {
  return kernels.kernels[static_cast<std::size_t>(layout)];
}

DotRows rows_from(const PackedView& weights, std::size_t first, std::size_t rows) {
  const Codec& codec = *weights.codec;
  DotRows from{.planes = row_planes(codec, weights.layout.cols, weights.planes, first / codec.stripe),
               .rows = rows,
               .cols = weights.layout.cols,
               .codec = &codec,
               .skipped = first % codec.stripe};
  for (std::size_t p = 0; p < codec.planes.size(); ++p) from.strides[p] = codec.plane_row_bytes(p, weights.layout.cols);
  return from;
}

void decode_then_dot(const DotKernels& kernels, const PackedView& weights, std::size_t first, const DotOperand& x,
                     MutableMatrixView y) {
  constexpr std::size_t kRows = 4;
  const Codec& codec = *weights.codec;
  const std::size_t cols = weights.layout.cols, stride = round_up(cols, sizeof(CacheLine) / sizeof(float));
  const std::size_t at_once = codec.stripe == 1 ? kRows : codec.stripe;
  std::vector<float> decoded(at_once * stride);
  for (std::size_t r = 0, count; r < y.cols; r += count) {
    count = std::min(at_once - (codec.stripe == 1 ? 0 : (first + r) % codec.stripe), y.cols - r);
    decode_rows(codec, weights.planes, first + r, {decoded.data(), count, cols, stride});
    const DotRows floats{{reinterpret_cast<const std::byte*>(decoded.data())}, {stride * sizeof(float)}, count, cols};
    kernel_of(kernels, CodeLayout::kF32)(floats, x, {y.data + r, y.rows, count, y.stride});
  }
}

}  // namespace

std::span<const DotKernels* const> all_dot_kernels() { return kInOrder; }

void packed_product_by(const DotKernels& kernels, const PackedView& weights, const PackedInput& x, std::size_t first,
                       MutableMatrixView y) {
  const DotOperand& operand = x.operand();
  ensure(operand.cols == weights.layout.cols && x.serves(*weights.codec) && y.rows == operand.tokens &&
             first + y.cols <= weights.layout.rows,
         "packed product of rows {}..{} of [{}, {}] in {} with {} inputs of {} and outputs for {}", first,
         first + y.cols, weights.layout.rows, weights.layout.cols, weights.codec->name, operand.tokens, operand.cols,
         y.rows);
  const CodeLayout layout = code_layout(*weights.codec);
  const bool decoded =
      layout == CodeLayout::kOther || (operand.form == OperandForm::kFloats && layout == CodeLayout::kBytes);
  if (decoded) {
    decode_then_dot(kernels, weights, first, operand, y);
  } else {
    kernel_of(kernels, layout)(rows_from(weights, first, y.cols), operand, y);
  }
}

void packed_product(const PackedView& weights, const PackedInput& x, std::size_t first, MutableMatrixView y) {
  packed_product_by(kernels_in_use(), weights, x, first, y);
}

bool has_fused_product(const Codec& codec) { return code_layout(codec) != CodeLayout::kOther; }

const char* packed_product_instructions() { return kernels_in_use().name; }

}  // namespace quern
