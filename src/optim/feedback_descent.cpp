// Error feedback, then coordinate descent over its codes. Without a Hessian that can be used: weighted rounding.
#include "optim/feedback.h"
#include "optim/optimizer.h"

namespace quern {
namespace {

// The first sweep takes 3 to 5% off what feedback loses, the second 1%, two more 1% together (llama-30m, windows that
// the Hessian did not see, q6_k to q2_k).
constexpr int kSweeps = 2;

void encode(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  if (!inputs.hessian) return encode_rows(rows, inputs.importance, out);
  encode_with_feedback(inputs, rows, out, {.sweeps = kSweeps});
}

}  // namespace

extern const Optimizer descent;
const Optimizer descent{
    .name = "descent",
    .summary = "ldlq, then each code once more with all others of its row in view (coordinate descent)",
    .needs = Optimizer::Needs::kHessian,
    .encode = encode};

}  // namespace quern
