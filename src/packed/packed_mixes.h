// Which packed matrices transformers loads beside each other from one folder of compressed-tensors.
#pragma once

#include <span>

#include "checkpoint/checkpoint.h"

namespace quern {

// In order: nothing packed; each packed type alone; the symmetric ones together.
std::span<const PackedMix> packed_mixes();

}  // namespace quern
