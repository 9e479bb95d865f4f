// Round-to-nearest with scales that minimise the error of the layer's output: column c counts as E[x_c^2], the diagonal
// of the proxy loss tr((W - Q) E[x x^T] (W - Q)^T) that error feedback minimises in full.
#include "optim/optimizer.h"

namespace quern {
namespace {

void encode(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  encode_rows(rows, inputs.importance, out);
}

}  // namespace

extern const Optimizer weighted_rtn;
const Optimizer weighted_rtn{.name = "weighted",
                             .summary = "round to nearest, columns weighted by the second moments of their inputs",
                             .needs = Optimizer::Needs::kMoments,
                             .encode = encode};

}  // namespace quern
