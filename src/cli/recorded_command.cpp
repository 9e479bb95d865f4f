// Quoting as POSIX shells undo it: between apostrophes everything stands for itself but the apostrophe.
#include "cli/recorded_command.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace quern::cli {
namespace {

constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";

std::string shell_word(std::string_view word) {
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// "/models/tiny/" is "tiny", "--output=/models/tiny" is "--output=tiny", "-o/models/tiny" is "-otiny".
std::string without_place(std::string_view word) {
  const bool is_short = word.size() > 2 && word[0] == '-' && word[1] != '-';
  const std::size_t value = word.starts_with("--") ? word.find('=') + 1 : is_short ? 2 : 0;  // npos + 1 is 0
  std::string_view path = word.substr(value);
  if (!path.starts_with('/')) return std::string(word);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(word.substr(0, value)) + std::filesystem::path(path).filename().string();
}

}  // namespace

std::string recorded_command(std::span<const std::string> arguments) {
  std::string line = "quern";
  for (const std::string& argument : arguments) line += " " + shell_word(without_place(argument));
  return line;
}

}  // namespace quern::cli
