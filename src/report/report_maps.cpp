// Maps are tables, so that they are read without colours, by screen readers and on paper.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "report/html_text.h"
#include "report/report_figures.h"
#include "report/report_tables.h"

namespace quern {
namespace {

constexpr std::size_t kFoldedBlocks = 24;  // from so many blocks on, equal neighbours share a row
constexpr double kFaint = 1e-6;            // nats; what is below looks like nothing on the logarithmic scale

// How a kind of map looks at a cell.
struct MapStyle {
  const char* css_class;
  std::string (*text)(const GridCell&);
  double (*value)(const GridCell&);  // not negative
  bool (*shown)(const GridCell&);
};

struct Range {
  double low = INFINITY, high = 0;
};

Range range_of(const TensorGrid& grid, const MapStyle& style) {
  Range range;
  for (const GridCell* cell : cells_of(grid))
    if (style.shown(*cell)) {
      range.low = std::min(range.low, style.value(*cell));
      range.high = std::max(range.high, style.value(*cell));
    }
  return range;
}

// 0 is the palest.
double strength(const Range& range, double value) {
  return range.high > range.low ? (value - range.low) / (range.high - range.low) : 0.5;
}

std::string cell_html(const GridCell& cell, const MapStyle& style, const Range& range, std::size_t span) {
  const std::string across = span > 1 ? fmt::format(" colspan=\"{}\"", span) : "";
  if (cell.empty() || !style.shown(cell)) return fmt::format("<td{} class=\"none\">&middot;</td>", across);
  return fmt::format("<td{} style=\"--v:{}\" title=\"{}\">{}</td>", across,
                     hundredths(strength(range, style.value(cell))), escaped_lines(tip_of(cell)), style.text(cell));
}

std::string wide_row(const GridCell& cell, const MapStyle& style, const Range& range, std::size_t columns) {
  if (!style.shown(cell)) return {};
  return fmt::format("<tr><th scope=\"row\">{}</th>{}</tr>\n", escaped(cell.role),
                     cell_html(cell, style, range, std::max<std::size_t>(columns, 1)));
}

bool look_equal(const std::vector<GridCell>& a, const std::vector<GridCell>& b, const MapStyle& style) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const GridCell& x, const GridCell& y) {
    return x.empty() == y.empty() &&
           (x.empty() || (style.shown(x) == style.shown(y) && style.text(x) == style.text(y)));
  });
}

std::string block_rows(const TensorGrid& grid, const MapStyle& style, const Range& range) {
  std::string html;
  for (std::size_t first = 0; first < grid.blocks.size();) {
    std::size_t end = first + 1;
    while (grid.blocks.size() >= kFoldedBlocks && end < grid.blocks.size() &&
           look_equal(grid.blocks[first], grid.blocks[end], style))
      ++end;
    const std::string label = end == first + 1 ? fmt::format("{}", first) : fmt::format("{}&ndash;{}", first, end - 1);
    html += fmt::format("<tr><th scope=\"row\">{}</th>", label);
    for (const GridCell& cell : grid.blocks[first]) html += cell_html(cell, style, range, 1);
    html += "</tr>\n";
    first = end;
  }
  return html;
}

std::string map_html(const TensorGrid& grid, const MapStyle& style, const char* label, const std::string& caption) {
  const Range range = range_of(grid, style);
  std::string html = fmt::format("<table class=\"map {}{}\" aria-label=\"{}\"><thead><tr><th scope=\"col\">block</th>",
                                 style.css_class, grid.blocks.size() >= kFoldedBlocks ? " dense" : "", label);
  for (const std::string& role : grid.columns) html += fmt::format("<th scope=\"col\">{}</th>", escaped(role));
  html += "</tr></thead>\n<tbody>";
  for (const GridCell& cell : grid.before) html += wide_row(cell, style, range, grid.columns.size());
  html += block_rows(grid, style, range);
  for (const GridCell& cell : grid.after) html += wide_row(cell, style, range, grid.columns.size());
  return figure(html + "</tbody></table>", caption);
}

// Thousandths of a nat.
std::string millinats(double kld) {
  const double value = 1000 * kld;
  return value >= 0.01 || value == 0 ? fmt::format("{:.{}f}", value, value >= 10 ? 1 : 2) : "&lt;0.01";
}

}  // namespace

std::string precision_map_of(const TensorGrid& grid) {
  if (grid.blocks.empty()) return {};
  const MapStyle style{
      "bits",
      [](const GridCell& cell) { return fmt::format("{} <small>{:.2f}</small>", escaped(cell.codec), cell.bits()); },
      [](const GridCell& cell) { return cell.bits(); }, [](const GridCell&) { return true; }};
  const Range range = range_of(grid, style);
  return map_html(grid, style, "Number format of every matrix",
                  fmt::format("Number format and bits per weight; the stronger the colour, the more bits (<span "
                              "class=\"ramp bits\"></span> {:.2f} to {:.2f}).",
                              range.low, range.high));
}

std::string sensitivity_map(const TensorGrid& grid) {
  const auto cells = cells_of(grid);
  const auto measured = std::ranges::find_if(cells, [](const GridCell* cell) { return cell->kld.has_value(); });
  if (grid.blocks.empty() || measured == cells.end()) return {};
  const MapStyle in_logarithms{"heat", [](const GridCell& cell) { return millinats(std::max(0.0, *cell.kld)); },
                               [](const GridCell& cell) { return std::log10(1 + std::max(0.0, *cell.kld) / kFaint); },
                               [](const GridCell& cell) { return cell.kld.has_value(); }};
  return map_html(
      grid, in_logarithms, "What every matrix was measured to lose alone",
      "Mean KL divergence in thousandths of a nat when this matrix alone is quantized and the rest is exact "
      "(<span class=\"ramp heat\"></span> on a logarithmic scale). Number formats of the measurement are in "
      "the list of tensors.");
}

}  // namespace quern
