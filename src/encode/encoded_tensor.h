// What became of one step of a plan.
#pragma once

#include <span>

#include "optim/encode_error.h"
#include "plan/plan.h"

namespace quern {

struct EncodedTensor {
  PlanStep step;  // as it was carried out: with the bytes that were written, where the plan could only estimate them
  const Weight& weight;  // of the description that it was made by
  EncodeError error;
};

// The plan as it was carried out.
Plan carried_out(const Plan& plan, std::span<const EncodedTensor> tensors);

}  // namespace quern
