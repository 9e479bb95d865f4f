// Lines and two tables.
#include "cli/forecast_text.h"

#include <fmt/core.h>

#include "base/printable.h"
#include "cli/amounts.h"
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
  if (!f.quality) return "not predicted: no text was given (--calib or --gate-text)";
  const QualityForecast& q = *f.quality;
  const Range &kld = q.quality.kld, &perplexity = q.quality.perplexity;
  return fmt::format(
      "mean KL divergence {:.2g} ({:.2g} to {:.2g}), perplexity {:.3f} after {:.3f}: {:+.1f}% ({:+.1f}% to {:+.1f}%)",
      kld.value, kld.low, kld.high, perplexity.value, q.original_perplexity,
      percent_more(perplexity.value, q.original_perplexity), percent_more(perplexity.low, q.original_perplexity),
      percent_more(perplexity.high, q.original_perplexity));
}

std::string memory_text(const Forecast& f) {
  const std::string work = fmt::format("compressing keeps to {}", with_unit(f.memory_to_compress));
  if (!f.memory) return work;
  const std::string tokens = f.memory->context ? fmt::format(" for {} tokens", f.memory->context) : "";
  return fmt::format("{} of weights and {} of state{} to run it; {}", with_unit(f.memory->stored),
                     with_unit(f.memory->kv_f16 + f.memory->state_f32), tokens, work);
}

std::string time_text(const Forecast& f) {
  if (!f.time) return "not known";
  return fmt::format("{} to compress with these options, {} with this plan and its statistics",
                     duration(f.time->total()), duration(f.time->replay()));
}

std::string alternatives_text(const Forecast& f) {
  std::string text = "\n      bytes     smaller  bits a weight  mean KLD  perplexity\n";
  for (const Alternative& a : f.quality->alternatives)
    text += fmt::format("{} {:>12} {:>7.2f}x {:>14.2f} {:>9.2g} {:>11.3f}\n", a.bytes == f.model_bytes ? ">" : " ",
                        a.bytes, ratio(f.source_bytes, a.bytes), 8 * ratio(a.bytes, f.parameters), a.quality.kld.value,
                        a.quality.perplexity.value);
  return text + "(best number formats for each size, by --target-size; > is this plan)\n";
}

}  // namespace

std::string forecast_text(const CompressOptions& options, const Forecast& f) {
  std::string text =
      fmt::format("model     {}: {}, {} parameters, {} bytes ({})\n", printable_line(options.input.string()),
                  printable_line(f.architecture), f.parameters, f.source_bytes, printable_line(f.source_format));
  text += fmt::format("size      {} ({}, scheme {})\n", size_text(f), f.plan.format, printable_line(f.plan.scheme));
  text += fmt::format("quality   {}\n", quality_text(f));
  text += fmt::format("memory    {}\n", memory_text(f));
  text += fmt::format("time      {}\n", time_text(f));
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
