// The kernels behind packed_product.h: one table an instruction set, one kernel a code layout.
#pragma once

#include <array>
#include <span>

#include "codec/code_layout.h"
#include "codec/codec.h"
#include "kernel/dot_operand.h"
#include "tensor/tensor.h"

namespace quern {

// Rows to multiply: where each plane of the first (of its stripe) begins, and the bytes from one row (stripe) to the
// next.
struct DotRows {
  ConstPlanePointers planes{};
  std::array<std::size_t, kMaxPlanes> strides{};
  std::size_t rows = 0, cols = 0;
  const Codec* codec = nullptr;  // of layouts whose rows need their tensor's side information
  std::size_t skipped = 0;       // rows of the first stripe that are in front of the first
};

// y[t][r] = dot(row r, token t) for all rows and tokens.
using DotKernel = void (*)(const DotRows& rows, const DotOperand& x, MutableMatrixView y);

struct DotKernels {
  const char* name;
  bool (*usable)();                             // on this processor
  std::array<DotKernel, kCodeLayouts> kernels;  // by CodeLayout; null for kOther
};

extern const DotKernels kPortableDots;  // also the reference that the others are tested against
#if defined(__x86_64__)
extern const DotKernels kAvx2Dots, kAvxVnniDots, kAvx512VnniDots;
#endif

// Kernels in vectors of 8 floats, which every processor here has: the same for all instruction sets.
void product_of_pairs(const DotRows& rows, const DotOperand& x, MutableMatrixView y);
void product_of_vectors(const DotRows& rows, const DotOperand& x, MutableMatrixView y);
void product_of_seeds8(const DotRows& rows, const DotOperand& x, MutableMatrixView y);
void product_of_seeds12(const DotRows& rows, const DotOperand& x, MutableMatrixView y);

// Fastest first; the last is always usable.
std::span<const DotKernels* const> all_dot_kernels();

// The form of activations that the kernel of a layout reads.
OperandForm operand_form(CodeLayout layout, std::size_t cols);

}  // namespace quern
