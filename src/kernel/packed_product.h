// Products of packed weights with activation vectors, decoded while they are multiplied: each byte of the weights is
// read from memory once, which is what generation one token at a time is bound by.
//
// Where a codec has a fused kernel of integer codes the activations are rounded to 8 bits too (one scale of 32 or 256
// activations: packed_input.cpp). Results do not depend on threads, on how rows are split between calls, on the number
// of tokens, nor on the instruction set: integer sums are exact and the float sums of every kernel run in 16 fixed
// lanes.
#pragma once

#include <cstddef>

#include "codec/codec.h"
#include "kernel/dot_operand.h"
#include "tensor/tensor.h"

namespace quern {

struct DotKernels;

// Packed rows, `planes` as the codec stores them.
struct PackedView {
  const Codec* codec = nullptr;
  RowLayout layout;
  ConstPlanePointers planes{};
};

// Activations of n tokens (rows of x) prepared for the products of a codec. Holds a copy: x may go.
class PackedInput {
 public:
  PackedInput(const Codec& codec, MatrixView x);
  PackedInput(PackedInput&&) noexcept = default;
  PackedInput& operator=(PackedInput&&) noexcept = default;

  const DotOperand& operand() const noexcept { return operand_; }
  // Whether products with this codec's weights take this input: several projections of one vector can share it.
  bool serves(const Codec& codec) const;

 private:
  DotOperand operand_;
  AlignedBytes storage_;
};

// y[t][r] = dot(row first + r, x[t]) for r < y.cols, on the calling thread.
// REQUIRES: x serves the weights' codec, with as many columns; y has a row for each token.
void packed_product(const PackedView& weights, const PackedInput& x, std::size_t first, MutableMatrixView y);

// packed_product with the kernels given. REQUIRES: kernels.usable().
void packed_product_by(const DotKernels& kernels, const PackedView& weights, const PackedInput& x, std::size_t first,
                       MutableMatrixView y);

// Whether the codec's rows are multiplied without being decoded to memory.
bool has_fused_product(const Codec& codec);

// The instruction set of the kernels in use: "avx512_vnni", "avx_vnni", "avx2" or "portable".
const char* packed_product_instructions();

}  // namespace quern
