// Levenshtein distance over a handful of short names.
#include "base/names.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <tuple>

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

// In lower case.
std::string letters_and_digits(std::string_view name) {
  std::string bare;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)))
      bare += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return bare;
}

std::string joined(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::string small_letters(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::vector<std::string> near_names(std::string_view given, std::span<const std::string> known) {
  const std::string bare = letters_and_digits(given);
  std::vector<std::tuple<std::size_t, std::size_t, std::size_t>> ranked;  // distances without and with signs, index
  for (std::size_t i = 0; i < known.size(); ++i)
    ranked.emplace_back(edit_distance(bare, letters_and_digits(known[i])), edit_distance(given, known[i]), i);
  std::sort(ranked.begin(), ranked.end());
  const std::size_t most = std::max<std::size_t>(bare.size() < 3 ? 1 : 2, bare.size() / 2);
  std::vector<std::string> near;
  for (const auto& [distance, with_signs, index] : ranked) {
    const bool same_letters_came = std::get<0>(ranked.front()) == 0 && distance > 0;
    if (near.size() < 3 && distance <= most && !same_letters_came) near.push_back(known[index]);
  }
  return near;
}

std::string nearest_names(std::string_view given, std::span<const std::string> known) {
  const std::vector<std::string> near = near_names(given, known);
  return joined(near.empty() ? known : std::span<const std::string>(near));
}

}  // namespace quern
