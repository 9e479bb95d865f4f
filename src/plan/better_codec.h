// The step up from one number format to the next.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace quern {

// What a codec of the same kind has more that is worth its bits, at least: q3_k, q4_k, q5_k and q6_k are 1 apart, but
// q4_1 has only half a bit on q4_k and about its error.
inline constexpr double kWorthwhileBits = 0.75;

// The next codec with at least kWorthwhileBits more that the container holds, that divides `cols` and that any weights
// may have; null when there is none. It gives several weights one code only where `codec` does.
const Codec* next_better_codec(const Codec& codec, const Format& format, std::uint64_t cols);

}  // namespace quern
