// Plain round-to-nearest: scales that minimise the squared error of the weights alone. The baseline of every
// comparison.
#include "optim/optimizer.h"

namespace quern {
namespace {

void encode(const InputContext&, MatrixView rows, PackedTensor& out) { encode_rows(rows, {}, out); }

}  // namespace

extern const Optimizer rtn;
const Optimizer rtn{.name = "rtn",
                    .summary = "round to nearest, every weight counts alike (needs no text)",
                    .needs = Optimizer::Needs::kNothing,
                    .encode = encode};

}  // namespace quern
