// A table as wide as its figures.
#include "cli/report_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "report/headline.h"

namespace quern::cli {

std::string report_text(const Report& report, std::optional<std::size_t> columns) {
  const std::vector<HeadlineRow> rows = headline(report);
  std::size_t what = 0, before = 0, after = 0, change = 0;
  for (const HeadlineRow& row : rows) {
    what = std::max(what, row.what.size());
    before = std::max(before, row.before.size());
    after = std::max(after, row.after.size());
    change = std::max(change, row.change.size());
  }
  const bool is_narrow = columns && what + before + after + change + 8 > *columns;
  std::string text;
  for (const HeadlineRow& row : rows) {
    std::string line = is_narrow ? fmt::format("{}\n  {} -> {}", row.what, row.before, row.after)
                                 : fmt::format("{:<{}}  {:>{}} -> {:<{}}", row.what, what, row.before, before,
                                               row.after, row.change.empty() ? 0 : after);
    text += line + (row.change.empty() ? "\n" : "  " + row.change + "\n");
  }
  if (report.quality) return text;
  return text + unmeasured(report) + (report.can_run ? "Add --report-text FILE to measure it.\n" : "");
}

}  // namespace quern::cli
