// What a walk through a model's blocks takes beside the hidden states.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/model_spec.h"

namespace quern {

// Bytes of the largest block of weights in float plus its largest matrix once more (the peak while it is laid out).
std::uint64_t largest_block_bytes(const ModelSpec& spec);

// Bytes of the values that a window of this length takes on its way through a block, were none of them reused: an upper
// bound of what a thread holds.
std::uint64_t window_bytes(const ModelSpec& spec, std::size_t window_length);

}  // namespace quern
