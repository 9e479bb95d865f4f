// Patterns as in gguf-py, matched without regard to case.
#include "package/model_id.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace quern {
namespace {

struct NamePart {
  std::string text;
  bool basename = false, size_label = false, finetune = false, version = false, type = false;
  int kinds() const { return basename + size_label + finetune + version + type; }
};

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)); }
char upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool matches(const std::string& text, const re2::RE2& pattern) { return re2::RE2::FullMatch(text, pattern); }

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i)
    if (i == text.size() || text[i] == at) {
      if (i > begin) parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  return parts;
}

// "7b1" is 7.1B, "3_5b" 3.5B.
std::string normal_size(std::string text) {
  std::ranges::replace(text, '_', '.');
  const std::size_t n = text.size();
  if (is_digit(text.back())) text = n < 2 ? "." + text : text.substr(0, n - 2) + "." + text[n - 1] + text[n - 2];
  if (n > 1 && is_digit(text[text.size() - 2]) && std::string("kmbt").find(text.back()) != std::string::npos)
    text.back() = upper(text.back());
  return text;
}

// Whether the label is so far from the model's own size that it means something else.
bool is_another_size(const std::string& label, std::uint64_t parameters) {
  const std::string digits = label.substr(0, label.size() - 1);
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (parameters == 0 || digits.empty() || end != digits.c_str() + digits.size() || !is_digit(digits.back()))
    return false;
  const std::size_t power = std::string(" KMBT").find(label.back());
  const double size = value * std::pow(1000, power == std::string::npos ? -1 : static_cast<double>(power));
  return std::abs(size - static_cast<double>(parameters)) > static_cast<double>(7 * parameters / 8);
}

enum class Place { kFirst, kLater };

void annotate(NamePart& part, Place place, std::uint64_t parameters) {
  static const re2::RE2 kVersion(R"((?i)(v|iter)?\d+([.]\d+)*)"), kType(R"((?i)i?q\d(_\w)*|b?fp?(16|32))"),
      kSize(R"((?i)(([A]|\d+[x])?\d+([._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl))"),
      kFinetune("(?i)chat|instruct|vision|lora");
  if (matches(part.text, kVersion)) {
    part.version = true;
  } else if (matches(part.text, kType)) {
    part.type = true;
    std::ranges::transform(part.text, part.text.begin(), upper);
  } else if (place != Place::kFirst && matches(part.text, kSize)) {
    part.text = normal_size(part.text);
    part.finetune = is_another_size(part.text, parameters);
    part.size_label = !part.finetune;
    if (part.finetune) part.text.back() = lower(part.text.back());
  } else if (place != Place::kFirst && matches(part.text, kFinetune)) {
    part.finetune = true;
  }
}

// The base name is what comes first, its version with it; a version at the end is the model's own.
void find_basename(std::vector<NamePart>& parts) {
  bool at_start = true;
  for (NamePart& part : parts) {
    if (at_start && ((part.kinds() == 0 && is_letter(part.text.front())) || part.version)) {
      part.basename = true;
      continue;
    }
    at_start = false;
    if (part.kinds() == 0) part.finetune = true;
  }
  for (auto part = parts.rbegin(); part != parts.rend() && part->basename && part->kinds() > 1; ++part)
    part->basename = false;
}

std::optional<std::string> joined(const std::vector<NamePart>& parts, bool NamePart::* kind) {
  std::vector<std::string> seen;
  std::string text;
  for (const NamePart& part : parts) {
    if (!(part.*kind) || (kind == &NamePart::version && part.basename)) continue;
    if (kind == &NamePart::size_label && std::ranges::find(seen, part.text) != seen.end()) continue;
    text += (seen.empty() ? "" : "-") + part.text;
    seen.push_back(part.text);
  }
  return seen.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

ModelId model_id(const std::string& id, std::uint64_t parameters) {
  ModelId found;
  found.name = id;
  if (id.find(' ') != std::string::npos) return found;  // a sentence
  if (const std::size_t slash = id.find('/'); slash != std::string::npos) {
    if (slash > 0 && id[0] != '.') found.organization = id.substr(0, slash);
    found.name = id.substr(slash + 1);
  }
  std::vector<NamePart> parts;
  for (std::string& text : split(*found.name, '-')) parts.push_back({.text = std::move(text)});
  for (NamePart& part : parts) annotate(part, &part == parts.data() ? Place::kFirst : Place::kLater, parameters);
  const auto has_digit = [](const NamePart& part) { return std::ranges::any_of(part.text, is_digit); };
  if (std::ranges::any_of(parts, [&](const NamePart& part) { return part.size_label && has_digit(part); }))
    for (NamePart& part : parts)
      if (std::ranges::all_of(part.text, is_letter)) part.size_label = false;
  find_basename(parts);
  found.basename = joined(parts, &NamePart::basename);
  found.size_label = joined(parts, &NamePart::size_label);
  found.finetune = joined(parts, &NamePart::finetune);
  found.version = joined(parts, &NamePart::version);
  if (!found.size_label && !found.finetune && !found.version) found.basename.reset();  // too little to tell
  return found;
}

std::string id_to_title(const std::string& id) {
  static const re2::RE2 kKept(R"(v\d+(\.\d+)*|\d.*)");
  std::string spaced = id, title;
  std::ranges::replace(spaced, '-', ' ');
  for (std::string& word : split(spaced, ' ')) {
    const bool is_lower = std::ranges::any_of(word, is_letter) &&
                          std::ranges::none_of(word, [](unsigned char c) { return std::isupper(c) != 0; });
    if (is_lower && !matches(word, kKept))
      for (std::size_t i = 0; i < word.size(); ++i)
        if (i == 0 || !is_letter(word[i - 1])) word[i] = upper(word[i]);
    title += (title.empty() ? "" : " ") + word;
  }
  return title;
}

std::string size_label(const ParameterCounts& counts) {
  const auto rounded = [](std::uint64_t parameters) {
    struct Scale {
      double above, unit;
      char suffix;
    };
    constexpr Scale kScales[] = {{1e12, 1e-12, 'T'}, {1e9, 1e-9, 'B'}, {1e6, 1e-6, 'M'}, {-1, 1e-3, 'K'}};
    const Scale& scale =
        *std::ranges::find_if(kScales, [&](const Scale& s) { return static_cast<double>(parameters) > s.above; });
    const double scaled = static_cast<double>(parameters) * scale.unit;
    const auto whole = static_cast<std::uint64_t>(std::nearbyint(scaled));
    const int digits = whole >= 10 ? 2 : whole > 0 ? 1 : 0;
    return fmt::format("{:.{}f}{}", scaled, 2 - digits, scale.suffix);
  };
  if (counts.experts == 0) return rounded(counts.all);
  return fmt::format("{}x{}", counts.experts, rounded(counts.shared + counts.of_one_expert));
}

}  // namespace quern
