// Model, target, output, machine, measurements.
#include "cli/preview_text.h"

#include <fmt/core.h>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/amounts.h"

namespace quern::cli {
namespace {

std::string size_text(const CompressPreview& p) {
  const auto smaller = [&](std::uint64_t bytes) {
    const double from = static_cast<double>(p.source_bytes), to = static_cast<double>(bytes);
    return from >= to ? fmt::format("{} bytes, {:.2f}x smaller", bytes, from / to)
                      : fmt::format("{} bytes, {:.2f}x larger", bytes, to / from);
  };
  if (p.model_bytes)
    return fmt::format("scheme {}, {} {}", printable_line(p.scheme), p.size_is_exact ? "exactly" : "about",
                       smaller(*p.model_bytes));
  return fmt::format("at most {} (scheme {}; a survey of the matrices chooses their number formats first)",
                     smaller(*p.most_bytes), printable_line(p.scheme));
}

std::string bound_text(const QualityBound& bound) {
  if (!bound.is_set()) return {};
  std::string text = "; more where the bound asks for it:";
  if (bound.max_perplexity_increase) text += fmt::format(" perplexity +{:g}%", 100 * *bound.max_perplexity_increase);
  if (bound.max_kld)
    text += fmt::format("{} mean KLD {:g}", bound.max_perplexity_increase ? " and" : "", *bound.max_kld);
  return text + " at most";
}

// What each text is for.
std::string measured_text(const CompressOptions& o) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + printable_line(part); };
  if (!o.statistics.empty()) {
    add("statistics are those of " + o.statistics.string());
  } else if (!o.calibration_text.empty()) {
    add("statistics on " + o.calibration_text.string());
  }
  if (o.bound.is_set() || o.size) {
    const char* what = o.bound.is_set() ? "the bound" : "the choice for the size";
    add(o.gate_text.empty() ? fmt::format("{} on every fifth document of {}", what, o.calibration_text.string())
                            : fmt::format("{} on {}", what, o.gate_text.string()));
  }
  if (!o.report_text.empty()) add("quality on " + o.report_text.string());
  return text.empty() ? "the error of each tensor; no text was given, so no quality (--report-text)" : text;
}

std::string time_text(const std::optional<TimeForecast>& forecast, const QualityBound& bound) {
  if (!forecast) return "not known";
  const TimeForecast& time = *forecast;
  std::string parts;
  for (const auto& [name, seconds] : {std::pair{"reading", time.read},
                                      {"calibration", time.calibrate},
                                      {"survey", time.survey},
                                      {"encoding", time.encode},
                                      {"measuring", time.measure}})
    if (seconds >= 0.5) parts += fmt::format("{}{} {}", parts.empty() ? ": " : ", ", name, duration(seconds));
  return fmt::format("{}{}{}", duration(time.total()), parts,
                     bound.is_set() ? "; more where trials miss the bound" : "");
}

}  // namespace

std::string preview_text(const CompressOptions& options, const CompressPreview& p) {
  std::string text =
      fmt::format("model     {}: {}, {} parameters, {} bytes ({})\n", printable_line(options.input.string()),
                  printable_line(p.architecture), p.parameters, p.source_bytes, printable_line(p.source_format));
  text += fmt::format("target    {}: {}, {}{}\n", printable_line(options.output.string()), p.format, size_text(p),
                      bound_text(options.bound));
  text += fmt::format("machine   {} of memory at most, {}, {} arithmetic\n", with_unit(p.memory),
                      counted(p.threads, "thread"), to_string(p.precision));
  text += fmt::format("measured  {}\n", measured_text(options));
  return text + fmt::format("time      {}\n", time_text(p.time, options.bound));
}

}  // namespace quern::cli
