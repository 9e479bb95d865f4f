// Levenshtein distance over a handful of short names.
#include "base/names.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace quern {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string joined(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::string nearest_names(std::string_view given, std::span<const std::string> known) {
  std::vector<std::pair<std::size_t, std::size_t>> ranked;  // distance, index
  for (std::size_t i = 0; i < known.size(); ++i) ranked.emplace_back(edit_distance(given, known[i]), i);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> near;
  for (const auto& [distance, index] : ranked)
    if (near.size() < 3 && distance <= std::max<std::size_t>(2, given.size() / 2)) near.push_back(known[index]);
  return joined(near.empty() ? known : std::span<const std::string>(near));
}

}  // namespace quern
