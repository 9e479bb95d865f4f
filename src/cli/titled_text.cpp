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
constexpr std::size_t kNarrow = 60;                   // with fewer columns gaps are given up
constexpr std::size_t kMostIndent = 8, kHanging = 2;  // of a line, and of what goes on under it

// As much of the front of a line as fits, with its gaps, to the end of a word; empty: its first word is too wide.
std::string_view front_of(std::string_view line, std::size_t columns) {
  const std::size_t fits = cut_to_width(line, columns).size();
  const std::size_t end = fits == line.size() || line[fits] == ' ' ? fits : line.substr(0, fits).find_last_of(' ');
  return end == line.npos ? "" : line.substr(0, end);
}

std::string broken(std::string_view line, std::size_t columns) {
  const std::size_t indent = std::min(line.find_first_not_of(' '), kMostIndent);
  std::string_view front = columns < kNarrow ? "" : front_of(line, columns);
  if (front.find_first_not_of(' ') == front.npos) front = "";
  std::string lines = front.empty() ? "" : fmt::format("{}\n", front);
  for (const std::string& part :
       wrapped(std::string(line.substr(front.size())), std::max(columns, kLeastText) - indent - kHanging))
    lines += fmt::format("{:{}}{}\n", "", lines.empty() ? indent : indent + kHanging, part);
  return lines;
}

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
    lines += width_of(line) <= *columns ? fmt::format("{}\n", line) : broken(line, *columns);
  }
  return lines;
}

std::string memory_and_limit(std::uint64_t expected, std::uint64_t limit, std::string_view reason) {
  return fmt::format("expected {}; limit {}{}--max-memory", with_unit(expected), with_unit(limit),
                     reason.empty() ? ": " : fmt::format(": {}, ", reason));
}

}  // namespace quern::cli
