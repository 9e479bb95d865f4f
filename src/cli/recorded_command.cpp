// Places are cut off first, words are quoted then.
#include "cli/recorded_command.h"

#include <filesystem>
#include <string_view>

#include "base/printable.h"
#include "base/shell_word.h"

namespace quern::cli {
namespace {

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
  return without_unprintable(line);
}

}  // namespace quern::cli
