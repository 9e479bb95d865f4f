// Which tensors hurt: each one quantized alone, the rest of the model exact.
#pragma once

#include "pipeline/encode.h"
#include "pipeline/evaluate.h"
#include "plan/fallback.h"

namespace quern {

// KL divergence on `windows` for every matrix of the plan that loses precision, measured one by one. A tensor changes
// nothing in front of its block: the original's hidden states before each block are computed once. One step of the
// observer a tensor.
std::vector<StepHarm> measure_harms(const EncodeInput& input, const Plan& plan, const Windows& windows,
                                    const EvaluationSetup& setup);

}  // namespace quern
