// Greedy ascent along the ladder of codecs.
#include "plan/fallback.h"

#include <algorithm>
#include <cmath>

#include "quern/error.h"

namespace quern {
namespace {

constexpr double kMargin = 0.9;  // aim a tenth below the bound, so that a near miss does not cost another trial

struct Raise {
  StepHarm* harm = nullptr;
  const Codec* codec = nullptr;
  double harm_after = 0, gain_per_byte = 0;
  std::uint64_t bytes_after = 0;
};

const Codec& codec_named(const std::string& name) {
  const Codec* codec = find_codec(name);
  ensure(codec != nullptr, "no codec {}", name);
  return *codec;
}

// To the next codec, or to the original's own encoding where the next would be as large: nothing is lost then.
Raise raise_of(StepHarm& harm, const PlanStep& step, const Format& format, const StepSource& source) {
  const RowLayout layout = source.layout;
  const Codec &now = codec_named(step.codec), &original = codec_named(source.encoding);
  if (step.codec == source.encoding || now.bits_per_weight > original.bits_per_weight) return {};
  const Codec* better = next_better_codec(now, format, layout.cols);
  const bool exact =
      format.holds(original.name, layout.cols) && (!better || better->bits_per_weight >= original.bits_per_weight);
  if (exact) better = &original;
  if (!better) return {};
  const double bits_more = better->bits_per_weight - now.bits_per_weight;
  const double after = exact ? 0.0 : std::max(0.0, harm.kld) * std::pow(4.0, -bits_more);
  const std::uint64_t bytes = better->stored_bytes(layout.rows, layout.cols);
  const double extra = static_cast<double>(bytes) - static_cast<double>(step.bytes);
  return {&harm, better, after, (std::max(0.0, harm.kld) - after) / std::max(1.0, extra), bytes};
}

void apply(const Raise& raise, PlanStep& step) {
  step.reason +=
      fmt::format("; raised from {}: alone it costs {:.2g} nats on the gate text", step.codec, raise.harm->kld);
  step.codec = raise.codec->name;
  step.bytes = raise.bytes_after;
  raise.harm->kld = raise.harm_after;
}

}  // namespace

double excess(const QualityBound& bound, double perplexity_increase, double kld) {
  const auto over = [](double measured, double allowed) {
    return measured <= allowed ? 0.0 : measured / std::max(allowed, 1e-12);
  };
  double most = 0;
  if (bound.max_perplexity_increase) most = std::max(most, over(perplexity_increase, *bound.max_perplexity_increase));
  if (bound.max_kld) most = std::max(most, over(kld, *bound.max_kld));
  return most;
}

std::vector<StepSource> step_sources(const ModelSpec& spec, const ExportMap& names, const Checkpoint& source) {
  std::vector<StepSource> sources;
  for (const ExportedWeight& exported : names.weights) {
    const Weight& weight = spec.weights[exported.weight];
    sources.push_back({row_layout(exported.output_shape(weight)), stored_encoding(source, weight)});
  }
  return sources;
}

std::optional<Plan> next_plan(const Plan& plan, const Format& format, const std::vector<StepSource>& sources,
                              double excess_now, std::vector<StepHarm>& harms) {
  double sum = 0;
  for (const StepHarm& harm : harms) sum += std::max(0.0, harm.kld);
  const double target = sum / std::max(1.0, excess_now) * kMargin;
  Plan next = plan;
  bool raised = false;
  while (!raised || sum > target) {
    Raise best;
    for (StepHarm& harm : harms) {
      const Raise candidate = raise_of(harm, next.steps[harm.step], format, sources[harm.step]);
      if (candidate.codec && (!best.codec || candidate.gain_per_byte > best.gain_per_byte)) best = candidate;
    }
    if (!best.codec) break;
    sum -= std::max(0.0, best.harm->kld) - best.harm_after;
    apply(best, next.steps[best.harm->step]);
    raised = true;
  }
  if (!raised) return std::nullopt;
  return next;
}

}  // namespace quern
