// The searches for the side information of an int4 group.
#pragma once

#include "search/bf16_scale_search.h"

namespace quern {

// Codes -8..7 without a zero point; the scale may be negative, so that -8 lies on the side of the larger weights.
Bf16Grid fit_int4_symmetric(const ScaledRow& group);
// Codes 0..15 with a zero point in 0..15. Never a larger error than fit_int4_symmetric.
Bf16Grid fit_int4_affine(const ScaledRow& group);

}  // namespace quern
