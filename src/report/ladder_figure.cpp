// Trials against the bound.
#include <fmt/core.h>

#include <algorithm>

#include "report/headline.h"
#include "report/html_text.h"
#include "report/report_figures.h"
#include "report/svg_chart.h"

namespace quern {
namespace {

std::string percent_label(double value, double) { return fmt::format("{:g}%", value); }

// The figure that a bound is on, as it is drawn.
struct BoundedFigure {
  const char* label;
  TickLabel tick_label;
  double (*of)(const Quality&);
  double bound;
};

BoundedFigure bounded_figure(const QualityBound& bound) {
  if (bound.max_kld)
    return {"mean KL divergence, nats", plain_number, [](const Quality& q) { return q.mean_kld.value; },
            *bound.max_kld};
  return {"perplexity increase", percent_label, [](const Quality& q) { return 100 * q.perplexity_increase.value; },
          100 * *bound.max_perplexity_increase};
}

}  // namespace

std::string ladder_figure(const Report& report) {
  if (!report.bound.is_set() || report.ladder.size() < 2) return {};
  const BoundedFigure shown = bounded_figure(report.bound);
  Chart chart{.label = "Trials: what the gate text measured against bytes, with the bound"};
  ChartLine path{{}, "line-main"};
  double low = std::min(0.0, shown.bound), high = shown.bound;
  for (std::size_t i = 0; i < report.ladder.size(); ++i) {
    const Trial& trial = report.ladder[i];
    if (!trial.gate) continue;
    const ChartPoint at{static_cast<double>(trial.plan.tensor_bytes()), shown.of(*trial.gate)};
    path.points.push_back(at);
    low = std::min(low, at.y);
    high = std::max(high, at.y);
    chart.marks.push_back({at, 0,
                           fmt::format("trial {}\n{} bytes\n{}", i + 1, grouped(trial.plan.tensor_bytes()),
                                       shown.tick_label(std::stod(three_digits(at.y)), 0)),
                           6});
    chart.callouts.push_back({at, fmt::format("{}", i + 1)});
  }
  if (path.points.size() < 2) return {};
  const auto by_x = [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; };
  const auto [first, last] = std::minmax_element(path.points.begin(), path.points.end(), by_x);
  chart.x = linear_axis("bytes of all tensors", first->x, last->x, size_label);
  chart.y = linear_axis(shown.label, low, high, shown.tick_label);
  chart.height = 260;
  chart.lines = {{{{chart.x.low, shown.bound}, {chart.x.high, shown.bound}}, "line-bound"}, path};
  chart.callouts.push_back({{chart.x.low, shown.bound}, "bound"});
  return figure(draw(chart),
                "Each trial raises the matrices that buy most divergence for their bytes; only those are "
                "encoded again.");
}

}  // namespace quern
