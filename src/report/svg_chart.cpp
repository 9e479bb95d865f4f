// Coordinates are rounded to a hundredth of a unit.
#include "report/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/fail.h"
#include "report/html_text.h"

namespace quern {
namespace {

constexpr double kLeft = 66, kRight = 18, kTop = 14, kBottom = 46;  // room around the plot

// Outlines within -1 .. 1, so that styles differ without their colours.
constexpr const char* kShapes[] = {
    "M-.9,0A.9,.9 0 1 1 .9,0A.9,.9 0 1 1 -.9,0Z",                    // disc
    "M-.8,-.8H.8V.8H-.8Z",                                           // square
    "M0,-1.15L1.15,0L0,1.15L-1.15,0Z",                               // diamond
    "M0,-1.05L1.1,.85H-1.1Z",                                        // triangle
    "M0,1.05L1.1,-.85H-1.1Z",                                        // triangle on its tip
    "M-.35,-1.1H.35V-.35H1.1V.35H.35V1.1H-.35V.35H-1.1V-.35H-.35Z",  // plus
    "M-.95,-.5L-.5,-.95L0,-.45L.5,-.95L.95,-.5L.45,0L.95,.5L.5,.95L0,.45L-.5,.95L-.95,.5L-.45,0Z",  // cross
    "M0,-1.1L1,-.55V.55L0,1.1L-1,.55V-.55Z",                                                        // hexagon
    "M-1.15,-.45H1.15V.45H-1.15Z",                                                                  // bar
    "M0,-1.2L.33,-.4L1.15,-.37L.5,.15L.72,.95L0,.48L-.72,.95L-.5,.15L-1.15,-.37L-.33,-.4Z",         // star
};
constexpr std::size_t kStyles = std::size(kShapes);

// After as many styles as there are shapes, each colour comes back with another shape.
const char* shape_of(std::size_t style) { return kShapes[(style + style / kStyles) % kStyles]; }

double scaled(const ChartAxis& axis, double value) {
  return axis.scale == ChartAxis::Scale::kLog ? std::log10(value) : value;
}

double share(const ChartAxis& axis, double value) {
  const double low = scaled(axis, axis.low), high = scaled(axis, axis.high);
  return (scaled(axis, value) - low) / (high - low);
}

double round_step(double span, double parts) {
  const double raw = span / parts, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) return factor * power;
  return 10 * power;
}

void add_round_ticks(ChartAxis& axis, double step, TickLabel label) {
  for (double i = std::ceil(axis.low / step); i * step <= axis.high * (1 + 1e-9); ++i)
    axis.ticks.push_back({i * step, label(i * step)});
}

void add_decade_ticks(ChartAxis& axis, double decades, TickLabel label) {
  for (double e = std::floor(std::log10(axis.low)); e <= std::log10(axis.high); ++e)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double at = factor * std::pow(10.0, e);
      if (at >= axis.low && at <= axis.high && (factor == 1.0 || decades < 3)) axis.ticks.push_back({at, label(at)});
    }
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {}

  std::string x(double value) const {
    return hundredths(kLeft + share(chart_.x, value) * (chart_.width - kLeft - kRight));
  }
  std::string y(double value) const {
    return hundredths(chart_.height - kBottom - share(chart_.y, value) * (chart_.height - kTop - kBottom));
  }

  std::string axes() const {
    const double right = chart_.width - kRight, bottom = chart_.height - kBottom;
    std::string svg;
    for (const ChartTick& tick : chart_.y.ticks)
      svg += fmt::format(
          "<path class=\"grid\" d=\"M{0},{1}H{2}\"/><text class=\"tick\" x=\"{3}\" y=\"{1}\" dy=\".32em\" "
          "text-anchor=\"end\">{4}</text>\n",
          kLeft, y(tick.at), right, kLeft - 10, escaped(tick.label));
    for (const ChartTick& tick : chart_.x.ticks)
      svg += fmt::format(
          "<path class=\"stub\" d=\"M{0},{1}v5\"/><text class=\"tick\" x=\"{0}\" y=\"{2}\" "
          "text-anchor=\"middle\">{3}</text>\n",
          x(tick.at), bottom, bottom + 19, escaped(tick.label));
    svg += fmt::format("<path class=\"base\" d=\"M{},{}H{}\"/>\n", kLeft, bottom, right);
    svg += fmt::format("<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", right,
                       chart_.height - 6, escaped(chart_.x.label));
    return svg + fmt::format(
                     "<text class=\"axis\" transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"end\">{}"
                     "</text>\n",
                     kTop, escaped(chart_.y.label));
  }

  std::string band(const ChartBand& band) const {
    return fmt::format("<path class=\"band\" d=\"M{0},{1}V{2}H{3}V{1}Z\"/>\n", x(band.from), kTop,
                       chart_.height - kBottom, x(band.to));
  }

  std::string line(const ChartLine& line) const {
    std::string path;
    for (const ChartPoint& point : line.points)
      path += fmt::format("{}{},{}", path.empty() ? "M" : "L", x(point.x), y(point.y));
    return fmt::format("<path class=\"{}\" d=\"{}\"/>\n", line.css_class, path);
  }

  std::string mark(const ChartMark& mark) const {
    return fmt::format(
        "<path class=\"mark k{}\" transform=\"translate({} {}) scale({})\" d=\"{}\"><title>{}</title>"
        "</path>\n",
        mark.style % kStyles, x(mark.at.x), y(mark.at.y), hundredths(mark.size), shape_of(mark.style),
        escaped(mark.tip));
  }

  // To the left of its point where there is no room to the right.
  std::string callout(const Callout& callout) const {
    const bool left = share(chart_.x, callout.at.x) > 0.6;
    return fmt::format("<text class=\"callout\" x=\"{}\" y=\"{}\" dx=\"{}\" dy=\"{}\" text-anchor=\"{}\">{}</text>\n",
                       x(callout.at.x), y(callout.at.y), left ? -10 : 10,
                       callout.side == Callout::Side::kAbove ? "-.7em" : "1.4em", left ? "end" : "start",
                       escaped(callout.text));
  }

 private:
  const Chart& chart_;
};

}  // namespace

ChartAxis linear_axis(std::string label, double low, double high, TickLabel tick_label) {
  const double margin = high > low ? 0.06 * (high - low) : std::max(std::abs(low) / 10, 1e-9);
  ChartAxis axis{std::move(label), low == 0 ? 0 : low - margin, high + margin, ChartAxis::Scale::kLinear, {}};
  add_round_ticks(axis, round_step(axis.high - axis.low, 7), tick_label);
  return axis;
}

ChartAxis log_axis(std::string label, double low, double high, TickLabel tick_label) {
  ensure(low > 0, "a logarithmic axis from {}", low);
  const double margin = high > low ? std::pow(high / low, 0.06) : 1.5;
  ChartAxis axis{std::move(label), low / margin, high * margin, ChartAxis::Scale::kLog, {}};
  const double decades = std::log10(axis.high / axis.low);
  if (decades < 0.8)
    add_round_ticks(axis, round_step(axis.high - axis.low, 6), tick_label);
  else
    add_decade_ticks(axis, decades, tick_label);
  return axis;
}

std::string draw(const Chart& chart) {
  const Drawing drawing(chart);
  std::string svg = fmt::format(
      "<svg class=\"chart\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" style=\"min-width:{}px\">\n",
      escaped(chart.label), chart.width, chart.height, std::min(chart.width, 0.62 * chart.width + 200));
  for (const ChartBand& band : chart.bands) svg += drawing.band(band);
  svg += drawing.axes();
  for (const ChartLine& line : chart.lines) svg += drawing.line(line);
  for (const ChartMark& mark : chart.marks) svg += drawing.mark(mark);
  for (const Callout& callout : chart.callouts) svg += drawing.callout(callout);
  return svg + "</svg>\n";
}

std::string legend_mark(std::size_t style) {
  return fmt::format(
      "<svg class=\"key\" viewBox=\"-1.4 -1.4 2.8 2.8\" aria-hidden=\"true\"><path class=\"mark k{}\" "
      "d=\"{}\"/></svg>",
      style % kStyles, shape_of(style));
}

}  // namespace quern
