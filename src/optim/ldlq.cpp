// Error feedback as a row of the table. Where there is no Hessian, or none that can be used: weighted rounding.
#include "optim/feedback.h"
#include "optim/optimizer.h"

namespace quern {
namespace {

void encode(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  if (!inputs.hessian) return encode_rows(rows, inputs.importance, out);
  encode_with_feedback(inputs, rows, out);
}

}  // namespace

extern const Optimizer ldlq;
const Optimizer ldlq{
    .name = "ldlq",
    .summary = "each column makes up for the rounding errors of those before it (GPTQ), by E[x x^T] of its inputs",
    .needs = Optimizer::Needs::kHessian,
    .encode = encode};

}  // namespace quern
