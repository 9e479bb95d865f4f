// Lines and two tables.
#include "cli/forecast_text.h"

#include <fmt/core.h>

#include "base/printable.h"
#include "cli/amounts.h"
#include "cli/titled_text.h"
#include "plan/precision_table.h"

namespace quern::cli {
namespace {

double ratio(std::uint64_t a, std::uint64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

double percent_more(double perplexity, double original) { return 100 * (perplexity / original - 1); }

std::string size_text(const Forecast& f) {
  const bool is_smaller = f.model_bytes <= f.source_bytes;
  const double factor = is_smaller ? ratio(f.source_bytes, f.model_bytes) : ratio(f.model_bytes, f.source_bytes);
  return fmt::format("{} {} bytes, {:.2f}x {}, {:.2f} bits a weight",
                     estimate_note(f.plan).empty() ? "exactly" : "about", f.model_bytes, factor,
                     is_smaller ? "smaller" : "larger", 8 * ratio(f.model_bytes, f.parameters));
}

std::string quality_text(const Forecast& f) {
  if (!f.quality) return "not predicted: it needs a text, add --calib FILE (or --gate-text FILE)";
  const QualityForecast& q = *f.quality;
  const Range &kld = q.quality.kld, &perplexity = q.quality.perplexity;
  return fmt::format(
      "perplexity {:.3f} now, {:.2f} expected: {:+.1f}% ({:+.1f}% to {:+.1f}%); mean KL divergence {:.2g} ({:.2g} to "
      "{:.2g})",
      q.original_perplexity, perplexity.value, percent_more(perplexity.value, q.original_perplexity),
      percent_more(perplexity.low, q.original_perplexity), percent_more(perplexity.high, q.original_perplexity),
      kld.value, kld.low, kld.high);
}

std::string memory_text(const Forecast& f) {
  const std::string work = "to compress: " + memory_and_limit(f.expected_memory, f.memory_to_compress, f.memory_reason);
  if (!f.memory) return work;
  const std::string tokens = f.memory->context ? fmt::format(" for {} tokens", f.memory->context) : "";
  return fmt::format("to run it: {} of weights and {} of state{}; {}", with_unit(f.memory->stored),
                     with_unit(f.memory->kv_f16 + f.memory->state_f32), tokens, work);
}

std::string time_text(const Forecast& f) {
  if (!f.time) return "not known";
  return fmt::format(
      "{} to compress with these options, {} with the plan and its statistics kept (-o, --save-statistics)",
      duration(f.time->total()), duration(f.time->replay()));
}

std::string alternatives_text(const Forecast& f) {
  std::string text = "\n      bytes     smaller  bits a weight  mean KLD  perplexity\n";
  for (const Alternative& a : f.quality->alternatives)
    text += fmt::format("{} {:>12} {:>7.2f}x {:>14.2f} {:>9.2g} {:>11.3f}\n", a.bytes == f.model_bytes ? ">" : " ",
                        a.bytes, ratio(f.source_bytes, a.bytes), 8 * ratio(a.bytes, f.parameters), a.quality.kld.value,
                        a.quality.perplexity.value);
  return text + "(what --target-size would reach at these sizes; > is this plan)\n";
}

}  // namespace

std::string forecast_text(const CompressOptions& options, const Forecast& f, std::optional<std::size_t> columns) {
  const auto line = [&](const char* title, const std::string& text) {
    return titled(title, printable_line(text), columns);
  };
  std::string text = line("model", fmt::format("{}: {}, {} parameters, {} bytes ({})", options.input.string(),
                                               f.architecture, f.parameters, f.source_bytes, f.source_format)) +
                     line("size", fmt::format("{} ({}, scheme {})", size_text(f), f.plan.format, f.plan.scheme)) +
                     line("quality", quality_text(f)) + line("memory", memory_text(f)) + line("time", time_text(f));
  if (f.quality && !f.quality->alternatives.empty()) text += alternatives_text(f);
  return text + "\n" + precision_table(f.plan);
}

std::string tensor_lines(const Forecast& f) {
  std::string text;
  for (const auto& [step, facts, options] : f.tensors) {
    const auto& share = facts.predicted_kld;
    text += fmt::format("{:<44} {:<12} {:>12} {:>9}  {}\n", printable_line(step.output), printable_line(step.codec),
                        step.bytes, share ? fmt::format("{:.2g}", *share) : "-", printable_line(step.reason));
  }
  return text;
}

}  // namespace quern::cli
