// The dynamic 8-bit numbers of bitsandbytes (Dettmers, arXiv 1511.04561 as extended there): 256 values in -1..1, half
// of them between a tenth and 1, half of the rest between a hundredth and a tenth, and so on for seven decades.
#pragma once

#include <array>
#include <cstdint>

namespace quern {

// In rising order; [127] is 0 and [255] is 1.
const std::array<float, 256>& dynamic8_values();

// The code of the nearest value; a NaN becomes that of 0.
std::uint8_t nearest_dynamic8(float value);

}  // namespace quern
