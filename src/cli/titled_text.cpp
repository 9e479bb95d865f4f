// A column of titles, and texts beside it.
#include "cli/titled_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/amounts.h"
#include "cli/command_text.h"

namespace quern::cli {
namespace {

constexpr std::size_t kTitle = 10, kLeastText = 24;

}  // namespace

std::string titled(std::string_view title, const std::string& text, std::optional<std::size_t> columns) {
  if (!columns || kTitle + text.size() <= *columns) return fmt::format("{:<{}}{}\n", title, kTitle, text);
  std::string lines;
  for (const std::string& line : wrapped(text, std::max(*columns, kTitle + kLeastText) - kTitle))
    lines += fmt::format("{:<{}}{}\n", lines.empty() ? title : "", kTitle, line);
  return lines;
}

std::string memory_and_limit(std::uint64_t expected, std::uint64_t limit, std::string_view reason) {
  return fmt::format("expected {}; limit {}{}--max-memory", with_unit(expected), with_unit(limit),
                     reason.empty() ? ": " : fmt::format(": {}, ", reason));
}

}  // namespace quern::cli
