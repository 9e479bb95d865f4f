// Offering the nearest known names for one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

// Of the rows of a table of descriptors.
template <typename Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto* row : table) names.emplace_back(row->name);
  return names;
}

// The known names nearest to `given` in edit distance, at most three, nearest first; empty: none is near. Letters and
// digits count before case and signs between them: "q4km" is q4_k_m, and then nothing else is offered.
std::vector<std::string> near_names(std::string_view given, std::span<const std::string> known);

// "q4_k_m, q5_k_m": near_names, or all known names when none is near.
std::string nearest_names(std::string_view given, std::span<const std::string> known);

}  // namespace quern
