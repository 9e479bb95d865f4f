// Charts of points and lines, as inline SVG without colours of their own: marks have
// the classes k0 .. k9.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct ChartTick {
  double at = 0;
  std::string label;
};

struct ChartAxis {
  enum class Scale { kLinear, kLog };

  std::string label;
  double low = 0, high = 1;  // low < high; > 0 on a logarithmic scale
  Scale scale = Scale::kLinear;
  std::vector<ChartTick> ticks;
};

// Of a value, where ticks are `step` apart; 0: they are not evenly spaced.
using TickLabel = std::string (*)(double value, double step);
// Axes with round ticks that hold all of low .. high and a margin; equal ends are spread.
ChartAxis linear_axis(std::string label, double low, double high, TickLabel tick_label);
ChartAxis log_axis(std::string label, double low, double high, TickLabel tick_label);

struct ChartPoint {
  double x = 0, y = 0;
};

// Shaded from one place of the horizontal axis to another.
struct ChartBand {
  double from = 0, to = 0;
};

struct ChartMark {
  ChartPoint at;
  std::size_t style = 0;  // shape and class
  std::string tip;        // shown under the pointer; lines end in \n
  double size = 5;        // radius
};

struct ChartLine {
  std::vector<ChartPoint> points;
  std::string_view css_class;
};

// Words beside a point, where there is room for them.
struct Callout {
  enum class Side { kAbove, kBelow };
  ChartPoint at;
  std::string text;
  Side side = Side::kAbove;
};

struct Chart {
  std::string label;  // what it shows, for those who do not see it
  ChartAxis x, y;
  std::vector<ChartBand> bands;  // behind everything
  std::vector<ChartLine> lines;
  std::vector<ChartMark> marks;
  std::vector<Callout> callouts;
  double width = 1000, height = 320;  // units of its view box; pixels at most
};

// All texts are escaped here. Error(kInternal) for a coordinate that is not finite.
std::string draw(const Chart& chart);

// A mark of this style for legends, as an SVG of its own.
std::string legend_mark(std::size_t style);

}  // namespace quern
