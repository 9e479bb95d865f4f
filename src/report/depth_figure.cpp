// Bits per weight along the depth.
#include <fmt/core.h>

#include <algorithm>

#include "base/printable.h"
#include "report/headline.h"
#include "report/html_text.h"
#include "report/report_figures.h"
#include "report/svg_chart.h"

namespace quern {
namespace {

constexpr double kLeastBlockWidth = 16;  // units of the drawing, so that deep models stay readable
constexpr double kBlockShare = 0.72;     // of a block's width that its marks take

// Where a block's marks stand: side by side around its number.
double place_in_block(std::size_t block, std::size_t column, std::size_t columns) {
  const double middle = 0.5 * static_cast<double>(columns - 1);
  return static_cast<double>(block) +
         kBlockShare * (static_cast<double>(column) - middle) / static_cast<double>(std::max<std::size_t>(columns, 1));
}

std::vector<ChartMark> depth_marks(const TensorGrid& grid) {
  std::vector<ChartMark> marks;
  const auto add = [&](const GridCell& cell, double x) {
    if (!cell.empty()) marks.push_back({{x, cell.bits()}, grid.style_of(cell.role), tip_of(cell)});
  };
  for (std::size_t i = 0; i < grid.before.size(); ++i)
    add(grid.before[i], static_cast<double>(i) - static_cast<double>(grid.before.size()));
  for (std::size_t b = 0; b < grid.blocks.size(); ++b)
    for (std::size_t c = 0; c < grid.columns.size(); ++c)
      add(grid.blocks[b][c], place_in_block(b, c, grid.columns.size()));
  for (std::size_t i = 0; i < grid.after.size(); ++i) add(grid.after[i], static_cast<double>(grid.blocks.size() + i));
  return marks;
}

// Every block has its number where there is room, else every fifth or tenth.
ChartAxis depth_axis(const TensorGrid& grid) {
  const double before = static_cast<double>(grid.before.size()), last = static_cast<double>(grid.blocks.size());
  ChartAxis axis{
      "block", -before - 0.6, last + static_cast<double>(grid.after.size()) - 0.4, ChartAxis::Scale::kLinear, {}};
  if (grid.blocks.empty()) {
    axis.label = "tensors, in the order of the file";
    return axis;
  }
  for (std::size_t i = 0; i < grid.before.size(); ++i)
    axis.ticks.push_back({static_cast<double>(i) - before, grid.before[i].role});
  const std::size_t stride = grid.blocks.size() <= 40 ? 1 : grid.blocks.size() <= 80 ? 5 : 10;
  for (std::size_t b = 0; b < grid.blocks.size(); b += stride)
    axis.ticks.push_back({static_cast<double>(b), fmt::format("{}", b)});
  for (std::size_t i = 0; i < grid.after.size(); ++i)
    axis.ticks.push_back({last + static_cast<double>(i), grid.after[i].role});
  return axis;
}

}  // namespace

std::string tip_of(const GridCell& cell) {
  std::string tip = printable_line(cell.tensor);
  if (cell.tensors > 1) tip += fmt::format(" and {} more", cell.tensors - 1);
  tip += fmt::format("\n{}, {:.2f} bits per weight\n{} bytes", printable_line(cell.codec), cell.bits(),
                     grouped(cell.bytes));
  if (cell.kld)
    tip += fmt::format("\nalone in {}: {} nats", printable_line(cell.measured_codec), three_digits(*cell.kld));
  if (cell.predicted_kld)
    tip += fmt::format("\npredicted for {}: {} nats", printable_line(cell.codec), three_digits(*cell.predicted_kld));
  return tip;
}

std::string role_legend(const TensorGrid& grid) {
  std::string html = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < grid.roles.size(); ++i)
    html += fmt::format("<li>{}{}</li>", legend_mark(i), escaped(grid.roles[i]));
  return html + "</ul>\n";
}

std::string figure(const std::string& body, const std::string& caption) {
  return fmt::format("<figure><div class=\"scroll\" tabindex=\"0\">{}</div><figcaption>{}</figcaption></figure>\n",
                     body, caption);
}

std::string depth_figure(const TensorGrid& grid) {
  Chart chart{.label = "Bits per weight of every matrix, by its place in the model", .x = depth_axis(grid)};
  chart.marks = depth_marks(grid);
  if (chart.marks.empty()) return {};
  double least = chart.marks.front().at.y, most = least;
  for (const ChartMark& mark : chart.marks) {
    least = std::min(least, mark.at.y);
    most = std::max(most, mark.at.y);
  }
  chart.y = linear_axis("bits per weight", least, most, plain_number);
  for (std::size_t b = 0; b < grid.blocks.size(); b += 2)
    chart.bands.push_back({static_cast<double>(b) - 0.5, static_cast<double>(b) + 0.5});
  chart.width = std::max(chart.width, kLeastBlockWidth * (chart.x.high - chart.x.low));
  if (grid.blocks.size() > 24)
    for (ChartMark& mark : chart.marks) mark.size = 3.5;
  std::string caption = "Scales and minima of the number formats are counted.";
  if (grid.kept_tensors)
    caption += fmt::format(" Not drawn: {} vectors and other tensors that are not packed, with {} parameters.",
                           grid.kept_tensors, grouped(grid.kept_parameters));
  return role_legend(grid) + figure(draw(chart), caption);
}

}  // namespace quern
