// Offering the nearest known names for one that is not known.
#pragma once

#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace quern {

// Of the rows of a table of descriptors.
template <typename Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto* row : table) names.emplace_back(row->name);
  return names;
}

// With the letters of ASCII in lower case.
std::string small_letters(std::string text);

// Whether they differ at most in the case of letters: names of schemes and the like are taken in any.
bool is_same_name(std::string_view a, std::string_view b);

// The row of that name, in any case; null: there is none.
template <typename Table>
auto row_named(const Table& table, std::string_view name) -> std::remove_cvref_t<decltype(*std::begin(table))> {
  for (const auto* row : table)
    if (is_same_name(row->name, name)) return row;
  return nullptr;
}

// The known names nearest to `given` in edit distance, at most three, nearest first; empty: none is near. Letters and
// digits count before case and signs between them: "q4km" is q4_k_m, and then nothing else is offered.
std::vector<std::string> near_names(std::string_view given, std::span<const std::string> known);

// "q4_k_m, q5_k_m": near_names, or all known names when none is near and they are few.
std::string nearest_names(std::string_view given, std::span<const std::string> known);

}  // namespace quern
