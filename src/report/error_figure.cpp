// What bytes buy: the curve of a size, or the error of every matrix.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/printable.h"
#include "report/headline.h"
#include "report/html_text.h"
#include "report/report_figures.h"
#include "report/svg_chart.h"

namespace quern {
namespace {

constexpr double kRoomBelowChoice = 30;  // the curve is drawn down to the chosen divergence over this
constexpr std::size_t kCurveStyle = 9, kChosenStyle = 0, kMeasuredStyle = 2;

// As far up as the curve goes and as far down as it tells something: towards the original's size it falls to nothing.
std::vector<ChartPoint> drawn_curve(const SizeChoice& size) {
  const double most = size.curve.empty() ? 0 : size.curve.front().kld;
  const double least = size.chosen.kld > 0 ? size.chosen.kld / kRoomBelowChoice : most / 1e4;
  std::vector<ChartPoint> points;
  for (const SizePoint& point : size.curve)
    if (point.kld > 0 && point.kld >= least) points.push_back({static_cast<double>(point.bytes), point.kld});
  return points;
}

void add_choice(ChartPoint at, std::string what, std::size_t style, Callout::Side side, Chart& chart) {
  if (at.y <= 0) return;
  const std::string text = fmt::format("{} {} nats", what, three_digits(at.y));
  chart.marks.push_back({at, style, fmt::format("{}\n{} bytes", text, grouped(static_cast<std::uint64_t>(at.x))),
                         style == kChosenStyle ? 9.0 : 5.0});  // either is seen where they fall together
  chart.callouts.push_back({at, text, side});
}

std::string size_figure(const Report& r) {
  const std::vector<ChartPoint> curve = drawn_curve(*r.size);
  if (curve.empty()) return {};
  Chart chart{.label = "Mean KL divergence against the bytes of the model's files: the predicted curve and the choice"};
  const ChartPoint chosen{static_cast<double>(r.size->chosen.bytes), r.size->chosen.kld};
  const ChartPoint measured{chosen.x, r.quality ? r.quality->mean_kld.value : 0};
  double x_low = chosen.x, x_high = chosen.x, y_low = curve.back().y, y_high = curve.front().y;
  for (const ChartPoint& point : curve) {
    x_low = std::min(x_low, point.x);
    x_high = std::max(x_high, point.x);
    chart.marks.push_back(
        {point, kCurveStyle, fmt::format("{}\npredicted {} nats", size_label(point.x), three_digits(point.y)), 2.5});
  }
  for (const ChartPoint& point : {chosen, measured})
    if (point.y > 0) {
      y_low = std::min(y_low, point.y);
      y_high = std::max(y_high, point.y);
    }
  chart.x = linear_axis("bytes of the model's files", x_low, x_high, size_label);
  chart.y = log_axis("mean KL divergence, nats", y_low, y_high, plain_number);
  chart.lines = {{{{chosen.x, chart.y.low}, {chosen.x, chart.y.high}}, "line-guide"}, {curve, "line-main"}};
  const auto above = chosen.y >= measured.y ? Callout::Side::kAbove : Callout::Side::kBelow;
  const auto below = chosen.y >= measured.y ? Callout::Side::kBelow : Callout::Side::kAbove;
  add_choice(chosen, "chosen: predicted", kChosenStyle, above, chart);
  add_choice(measured, "measured on the report text:", kMeasuredStyle, below, chart);
  return figure(draw(chart),
                "The line is the least divergence that is predicted for each size, on the gate text: what "
                "every matrix loses alone, added up. Its disc is the plan that was written.");
}

constexpr double kBitsBeside = 0.25;  // of room left and right of the marks

// Shannon's distortion-rate function of a Gaussian, relative to its variance.
double least_error(double bits) { return std::exp2(-2 * bits); }

// As far as it is within the chart; straight where the vertical axis is of logarithms.
void add_bound(Chart& chart) {
  const double left = chart.x.low, right = std::min(chart.x.high, -std::log2(chart.y.low) / 2);
  if (right > left) chart.lines.push_back({{{left, least_error(left)}, {right, least_error(right)}}, "line-bound"});
}

std::string scatter_figure(const Report& r, const TensorGrid& grid) {
  Chart chart{.label = "Relative squared error of every matrix against its bits a weight"};
  double x_low = INFINITY, x_high = 0, y_low = INFINITY, y_high = 0;
  std::size_t exact = 0;
  for (const auto& [step, error, facts] : r.tensors) {
    if (facts.kind == TensorFacts::Kind::kKept || !step.bytes || !step.parameters) continue;
    const ChartPoint at{8.0 * static_cast<double>(step.bytes) / static_cast<double>(step.parameters),
                        error.relative_plain()};
    exact += at.y <= 0;
    if (at.y <= 0) continue;
    x_low = std::min(x_low, at.x);
    x_high = std::max(x_high, at.x);
    y_low = std::min(y_low, at.y);
    y_high = std::max(y_high, at.y);
    chart.marks.push_back(
        {at, grid.style_of(facts.role),
         fmt::format("{}\n{}, {:.2f} bits a weight, {} bytes\nrelative squared error {}", printable_line(step.tensor),
                     printable_line(step.codec), at.x, grouped(step.bytes), three_digits(at.y))});
  }
  if (chart.marks.empty()) return {};
  y_low = std::min(y_low, least_error(x_low));
  chart.x = linear_axis("bits a weight", x_low - kBitsBeside, x_high + kBitsBeside, plain_number);
  chart.y = log_axis("relative squared error", y_low, y_high, plain_number);
  add_bound(chart);
  std::string caption =
      "The squared error of a matrix over the sum of its squares, measured on the bytes that were written. The line is "
      "2^(-2 bits): no code of as many bits loses less on weights of a bell curve.";
  if (exact) caption += fmt::format(" Not drawn: {} without any error.", exact);
  return role_legend(grid) + figure(draw(chart), caption);
}

}  // namespace

std::string error_figure(const Report& report, const TensorGrid& grid) {
  return report.size ? size_figure(report) : scatter_figure(report, grid);
}

}  // namespace quern
