// Rounding with error feedback (LDLQ, which is GPTQ by another factorisation), for every codec.
#pragma once

#include <span>

#include "codec/packed_tensor.h"
#include "optim/input_context.h"
#include "tensor/tensor.h"

namespace quern {

// Encodes all of `rows` into `out`, which has as many. Column j is rounded as w_j + sum over i < j of (w_i - q_i) U(i,
// j), so that it makes up for the errors of the columns before it, and side information is fitted at the start of each
// block, to the weights as they are to be rounded then. With H + diag(added) = U diag(p) U^T the error tr((W - Q) H (W
// - Q)^T) becomes the sum over j of p_j times the squared rounding error of column j alone (Chee et al. 2023, arXiv
// 2307.13304; Frantar et al. 2022, arXiv 2210.17323). Columns of one granule do not make up for each other: the codec
// rounds them together.
struct FeedbackOptions {
  enum class Fit {
    kAtEachBlock,
    kOnce,  // to the weights as they came, which loses more: for comparison
  } fit = Fit::kAtEachBlock;
  // Times that side information is fitted again to what the columns of a block were really rounded from, which the
  // errors of its own columns change, and tried: a row keeps what loses least.
  int refits = 1;
  int sweeps = 0;  // of coordinate descent over the codes that feedback left (optim/descent.h), where a code stands for
                   // weights of one column
};

// Columns in the order that the codec asks for (Codec::feedback_order). REQUIRES: inputs.hessian.
void encode_with_feedback(const InputContext& inputs, MatrixView rows, PackedTensor& out,
                          const FeedbackOptions& options = {});

// Columns as they stand. `importance`: of each column, for the fit.
void encode_with_feedback(const HessianFactor& factor, MatrixView rows, std::span<const float> importance,
                          PackedTensor& out, const FeedbackOptions& options = {});

// tr((W - Q) H (W - Q)^T) of rows and what their bytes decode to.
double hessian_error(const HessianFactor& factor, MatrixView rows, MatrixView decoded);

}  // namespace quern
