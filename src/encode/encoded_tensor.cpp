// A plan that was carried out is another plan: the one that it was made from stays as it is.
#include "encode/encoded_tensor.h"

namespace quern {

Plan carried_out(const Plan& plan, std::span<const EncodedTensor> tensors) {
  Plan done = plan;
  done.steps.clear();
  for (const EncodedTensor& tensor : tensors) done.steps.push_back(tensor.step);
  return done;
}

}  // namespace quern
