// A column of titles, and texts beside it.
#include "cli/titled_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/amounts.h"
#include "cli/command_text.h"
#include "cli/terminal.h"

namespace quern::cli {
namespace {

constexpr std::size_t kTitle = 10, kLeastText = 24;
constexpr std::size_t kMostIndent = 8, kHanging = 2;  // of a line, and of what goes on under it

}  // namespace

std::string titled(std::string_view title, const std::string& text, std::optional<std::size_t> columns) {
  if (!columns || kTitle + text.size() <= *columns) return fmt::format("{:<{}}{}\n", title, kTitle, text);
  std::string lines;
  for (const std::string& line : wrapped(text, std::max(*columns, kTitle + kLeastText) - kTitle))
    lines += fmt::format("{:<{}}{}\n", lines.empty() ? title : "", kTitle, line);
  return lines;
}

std::string fitted(std::string_view text, std::optional<std::size_t> columns) {
  if (!columns) return std::string(text);
  std::string lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (width_of(line) <= *columns) {
      lines += fmt::format("{}\n", line);
      continue;
    }
    const std::size_t indent = std::min(line.find_first_not_of(' '), kMostIndent);
    bool is_first = true;
    for (const std::string& part : wrapped(std::string(line), std::max(*columns, kLeastText) - indent - kHanging)) {
      lines += fmt::format("{:{}}{}\n", "", is_first ? indent : indent + kHanging, part);
      is_first = false;
    }
  }
  return lines;
}

std::string memory_and_limit(std::uint64_t expected, std::uint64_t limit, std::string_view reason) {
  return fmt::format("expected {}; limit {}{}--max-memory", with_unit(expected), with_unit(limit),
                     reason.empty() ? ": " : fmt::format(": {}, ", reason));
}

}  // namespace quern::cli
