// Offering the nearest known names for one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace quern {

// "q4_k_m, q5_k_m" - the known names nearest to `given` in edit distance (at most three), or all of them when none
// is near.
std::string nearest_names(std::string_view given, std::span<const std::string> known);

}  // namespace quern
