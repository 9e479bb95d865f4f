// Floats that were decoded from quantized numbers: which numbers these were is remembered beside the bytes.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace quern {

// The part, which was decoded from numbers that another program had quantized. `how`: "GPTQ, 4 bits, groups of 128".
// REQUIRES: it has a decoder.
TensorPart decoded_part(TensorPart part, std::string how);

// How the numbers of a tensor were quantized before they were decoded; empty: they were not, or are stored as the
// tensor's encoding says.
std::string decoded_from(const TensorEntry& entry);

}  // namespace quern
