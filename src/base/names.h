// Offering the nearest known names for one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

// The known names nearest to `given` in edit distance, at most three, nearest first; empty: none is near. Letters and
// digits count before case and signs between them: "q4km" is q4_k_m, and then nothing else is offered.
std::vector<std::string> near_names(std::string_view given, std::span<const std::string> known);

// "q4_k_m, q5_k_m": near_names, or all known names when none is near.
std::string nearest_names(std::string_view given, std::span<const std::string> known);

}  // namespace quern
