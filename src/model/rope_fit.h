// Llama 3.1's scaling found again in the divisors that a GGUF file holds in its place.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/rope_frequencies.h"

namespace quern {

// The scaling with Llama's factors 1 and 4 and an original context of a power of two that gives exactly these divisors
// of the frequencies, as 32-bit floats. nullopt: there is none.
std::optional<RopeScaling> llama3_scaling_of(const std::vector<double>& frequencies, std::span<const float> divisors);

}  // namespace quern
