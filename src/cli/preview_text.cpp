// Model, target, output, machine, measurements.
#include "cli/preview_text.h"

#include <fmt/core.h>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/amounts.h"
#include "cli/titled_text.h"

namespace quern::cli {
namespace {

std::string size_text(const CompressPreview& p) {
  const auto smaller = [&](std::uint64_t bytes) {
    const double from = static_cast<double>(p.source_bytes), to = static_cast<double>(bytes);
    return from >= to ? fmt::format("{} bytes, {:.2f}x smaller", bytes, from / to)
                      : fmt::format("{} bytes, {:.2f}x larger", bytes, to / from);
  };
  if (p.model_bytes)
    return fmt::format("scheme {}, {} {}", p.scheme, p.size_is_exact ? "exactly" : "about", smaller(*p.model_bytes));
  if (!p.most_bytes)
    return fmt::format(
        "as few bytes as the bound allows: a survey of what each matrix loses chooses its number format (instead of "
        "scheme {})",
        p.scheme);
  return fmt::format("at most {}: a survey of what each matrix loses chooses its number format (instead of scheme {})",
                     smaller(*p.most_bytes), p.scheme);
}

std::string bound_text(const QualityBound& bound) {
  if (!bound.is_set()) return {};
  std::string text = "; more bits where these would be missed:";
  if (bound.max_perplexity_increase)
    text += fmt::format(" perplexity at most +{:g}%", 100 * *bound.max_perplexity_increase);
  if (bound.max_kld)
    text +=
        fmt::format("{} mean KL divergence at most {:g}", bound.max_perplexity_increase ? " and" : "", *bound.max_kld);
  return text;
}

// What each text is for.
std::string measured_text(const CompressOptions& o) {
  std::string text;
  const bool decides = o.bound.is_set() || o.size;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (!o.statistics.empty()) {
    add("statistics are those of " + o.statistics.string());
  } else if (!o.calibration_text.empty()) {
    add("statistics on 4/5 of " + o.calibration_text.string());
  }
  if (decides) {
    const char* what = o.bound.is_set() ? "the bound" : "the choice for the size";
    add(o.gate_text.empty() ? fmt::format("{} on every fifth document of {}", what, o.calibration_text.string())
                            : fmt::format("{} on {}", what, o.gate_text.string()));
  }
  add(o.report_text.empty() ? "the result by the error of each tensor alone (its quality: add --report-text FILE)"
                            : "the result on " + o.report_text.string());
  return text;
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
                     bound.is_set() ? "; longer where a trial misses the bound" : "");
}

}  // namespace

std::string preview_text(const CompressOptions& options, const CompressPreview& p, std::optional<std::size_t> columns) {
  const auto line = [&](const char* title, const std::string& text) {
    return titled(title, printable_line(text), columns);
  };
  return line("model", fmt::format("{}: {}, {} parameters, {} bytes ({})", options.input.string(), p.architecture,
                                   p.parameters, p.source_bytes, p.source_format)) +
         line("target",
              fmt::format("{}: {}, {}{}", options.output.string(), p.format, size_text(p), bound_text(options.bound))) +
         line("machine",
              fmt::format("{}, {} arithmetic; memory: {}", counted(p.threads, "thread"), to_string(p.precision),
                          memory_and_limit(p.expected_memory, p.memory, p.memory_reason))) +
         line("measured", measured_text(options)) + line("time", time_text(p.time, options.bound));
}

}  // namespace quern::cli
