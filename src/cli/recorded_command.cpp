// Places are cut off first, words are quoted then.
#include "cli/recorded_command.h"

#include <filesystem>
#include <string_view>

#include "base/shell_word.h"

namespace quern::cli {
namespace {

// Where an option's value begins: behind "--output=", and behind the letters of "-o" or "-qo" where a path follows.
std::size_t begin_of_value(std::string_view word) {
  if (word.starts_with("--")) return word.find('=') + 1;  // npos + 1 is 0
  if (!word.starts_with('-')) return 0;
  const std::size_t behind = word.find_first_not_of("abcdefghijklmnopqrstuvwxyz", 1);
  return behind != std::string_view::npos && word[behind] == '/' ? behind : 0;
}

// "/models/tiny/" is "tiny", "--output=/models/tiny" is "--output=tiny", "-o/models/tiny" is "-otiny". The root is ".",
// so that no argument is missing.
std::string without_place(std::string_view word) {
  const std::size_t value = begin_of_value(word);
  std::string_view path = word.substr(value);
  if (!path.starts_with('/')) return std::string(word);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::string name = std::filesystem::path(path).filename().string();
  return std::string(word.substr(0, value)) + (name.empty() ? "." : name);
}

}  // namespace

std::string recorded_command(std::span<const std::string> arguments) {
  std::string line = "quern";
  for (const std::string& argument : arguments) line += " " + shell_word(without_place(argument));
  return line;
}

}  // namespace quern::cli
