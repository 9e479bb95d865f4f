// Coordinates are rounded to a hundredth of a unit.
#include "report/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "base/fail.h"
#include "report/html_text.h"
#include "report/label_room.h"

namespace quern {
namespace {

constexpr double kLeast = 66, kRight = 18, kTop = 14, kBottom = 46;  // room around the plot; left of it at least
constexpr double kSmallest = 0.7;                 // of its size, to which a drawing is scaled down on a narrow screen
constexpr double kAxisLabel = 26;                 // to the left of the labels of ticks
constexpr double kLetter = 8.1, kBoldLetter = 9;  // width of a wide font's letters, in the size of a chart's text
constexpr double kAscent = 11, kDescent = 4, kLine = kAscent + kDescent;

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
    axis.ticks.push_back({i * step, label(i * step, step)});
}

void add_decade_ticks(ChartAxis& axis, double decades, TickLabel label) {
  for (double e = std::floor(std::log10(axis.low)); e <= std::log10(axis.high); ++e)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double at = factor * std::pow(10.0, e);
      if (at >= axis.low && at <= axis.high && (factor == 1.0 || decades < 3)) axis.ticks.push_back({at, label(at, 0)});
    }
}

double width_of(std::string_view text, double letter) { return letter * static_cast<double>(text.size()); }

double widest(const std::vector<ChartTick>& ticks) {
  double width = 0;
  for (const ChartTick& tick : ticks) width = std::max(width, width_of(tick.label, kLetter));
  return width;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart)
      : chart_(chart), left_(std::max(kLeast, kAxisLabel + widest(chart.y.ticks) + 10)) {}

  std::string axes() const {
    const double right = chart_.width - kRight, bottom = chart_.height - kBottom;
    std::string svg;
    for (const ChartTick& tick : chart_.y.ticks)
      svg += fmt::format(
          "<path class=\"grid\" d=\"M{0},{1}H{2}\"/><text class=\"tick\" x=\"{3}\" y=\"{1}\" dy=\".32em\" "
          "text-anchor=\"end\">{4}</text>\n",
          left_, y(tick.at), right, left_ - 10, escaped(tick.label));
    svg += x_ticks();
    svg += fmt::format("<path class=\"base\" d=\"M{},{}H{}\"/>\n", left_, bottom, right);
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
        escaped_lines(mark.tip));
  }

  // Each beside its point, where no other is in the way; one that has no such place is left out.
  std::string callouts() const {
    std::string svg;
    std::vector<Box> taken;
    for (const Callout& callout : chart_.callouts) {
      const std::optional<Box> box = place(callout, taken);
      if (!box) continue;
      taken.push_back(*box);
      svg += fmt::format("<text class=\"callout\" x=\"{}\" y=\"{}\">{}</text>\n", hundredths(box->x.from),
                         hundredths(box->y.to - kDescent), escaped(callout.text));
    }
    return svg;
  }

 private:
  double place_x(double value) const { return left_ + share(chart_.x, value) * (chart_.width - left_ - kRight); }
  double place_y(double value) const {
    return chart_.height - kBottom - share(chart_.y, value) * (chart_.height - kTop - kBottom);
  }
  std::string x(double value) const { return hundredths(place_x(value)); }
  std::string y(double value) const { return hundredths(place_y(value)); }

  // Labels stand under their ticks, but inside the drawing.
  std::string x_ticks() const {
    const double bottom = chart_.height - kBottom;
    std::vector<Span> labels;
    for (const ChartTick& tick : chart_.x.ticks) {
      const double width = width_of(tick.label, kLetter);
      const double from = std::clamp(place_x(tick.at) - width / 2, 0.0, std::max(0.0, chart_.width - width));
      labels.push_back({from, from + width + kLetter});
    }
    const std::vector<bool> shown = readable(labels);
    std::string svg;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const ChartTick& tick = chart_.x.ticks[i];
      svg += fmt::format("<path class=\"stub\" d=\"M{},{}v5\"/>", x(tick.at), bottom);
      if (shown[i])
        svg += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                           hundredths((labels[i].from + labels[i].to - kLetter) / 2), bottom + 19, escaped(tick.label));
    }
    return svg;
  }

  // To the right of its point, or to the left where there is more room; on the side that it asks for, or on the other.
  std::optional<Box> place(const Callout& callout, const std::vector<Box>& taken) const {
    const Box plot{{left_, chart_.width - kRight}, {0, chart_.height - kBottom}};
    const double at_x = place_x(callout.at.x), at_y = place_y(callout.at.y),
                 width = width_of(callout.text, kBoldLetter);
    const bool left_first = share(chart_.x, callout.at.x) > 0.6, below_first = callout.side == Callout::Side::kBelow;
    for (const double lines : {0, 1, 2})
      for (const bool below : {below_first, !below_first})
        for (const bool left : {left_first, !left_first}) {
          const double from = left ? at_x - 10 - width : at_x + 10, top = below ? at_y + 6 : at_y - 6 - kLine;
          const double shift = (below ? lines : -lines) * kLine;
          const Box box{{from, from + width}, {top + shift, top + shift + kLine}};
          const bool is_free = std::ranges::none_of(taken, [&](const Box& other) { return other.meets(box); });
          if (is_free && box.is_in(plot)) return box;
        }
    return std::nullopt;
  }

  const Chart& chart_;
  double left_;
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
      escaped(chart.label), chart.width, chart.height, kSmallest * chart.width);
  for (const ChartBand& band : chart.bands) svg += drawing.band(band);
  svg += drawing.axes();
  for (const ChartLine& line : chart.lines) svg += drawing.line(line);
  for (const ChartMark& mark : chart.marks) svg += drawing.mark(mark);
  return svg + drawing.callouts() + "</svg>\n";
}

std::string legend_mark(std::size_t style) {
  return fmt::format(
      "<svg class=\"key\" viewBox=\"-1.4 -1.4 2.8 2.8\" aria-hidden=\"true\"><path class=\"mark k{}\" "
      "d=\"{}\"/></svg>",
      style % kStyles, shape_of(style));
}

}  // namespace quern
