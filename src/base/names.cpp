// Levenshtein distance over a handful of short names.
#include "base/names.h"

#include <algorithm>
#include <cctype>
#include <compare>
#include <numeric>

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

constexpr std::size_t kMostOffered = 3;
constexpr std::size_t kMostListed = 12;  // of names of which none is near

struct Ranked {
  std::size_t bare, with_signs, index;  // distances without and with signs; of the name
  auto operator<=>(const Ranked&) const = default;
};

// Nearest first.
std::vector<Ranked> ranked_names(std::string_view given, std::span<const std::string> known) {
  const std::string bare = letters_and_digits(given);
  std::vector<Ranked> ranked;
  for (std::size_t i = 0; i < known.size(); ++i)
    ranked.push_back({edit_distance(bare, letters_and_digits(known[i])), edit_distance(given, known[i]), i});
  std::ranges::sort(ranked);
  return ranked;
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
  const std::vector<Ranked> ranked = ranked_names(given, known);
  const std::size_t length = letters_and_digits(given).size();
  const std::size_t most = std::max<std::size_t>(length < 3 ? 1 : 2, length / 2);
  std::vector<std::string> near;
  for (const Ranked& row : ranked) {
    const bool same_letters_came = ranked.front().bare == 0 && row.bare > 0;
    if (near.size() < kMostOffered && row.bare <= most && !same_letters_came) near.push_back(known[row.index]);
  }
  return near;
}

// Of a long list the nearest, however far they are.
std::string nearest_names(std::string_view given, std::span<const std::string> known) {
  std::vector<std::string> near = near_names(given, known);
  if (near.empty() && known.size() > kMostListed) {
    const std::vector<Ranked> ranked = ranked_names(given, known);
    for (std::size_t i = 0; i < kMostOffered; ++i) near.push_back(known[ranked[i].index]);
  }
  return joined(near.empty() ? known : std::span<const std::string>(near));
}

}  // namespace quern
