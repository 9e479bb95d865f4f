// Greedy ascent along the ladder of codecs.
#include "plan/fallback.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "plan/better_codec.h"
#include "plan/choice.h"
#include "plan/output_tensor.h"

namespace quern {
namespace {

constexpr double kMargin = 0.9;  // aim a tenth below the bound, so that a near miss does not cost another trial

struct Raise {
  StepHarm* harm = nullptr;
  const Codec* codec = nullptr;
  double harm_after = 0;
  std::uint64_t bytes_after = 0;
};

// Of steps that are raised together, and what that buys.
struct JointRaise {
  std::vector<Raise> raises;
  double gain = 0, extra_bytes = 0;
  double gain_per_byte() const { return gain / std::max(1.0, extra_bytes); }
};

using JointHarms = std::vector<std::size_t>;  // indices into the harms

const Codec& known_codec(const std::string& name) {
  const Codec* codec = find_codec(name);
  ensure(codec != nullptr, "no codec {}", name);
  return *codec;
}

// To the next codec, or to the original's own encoding where the next would be as large: nothing is lost then.
Raise raise_of(StepHarm& harm, const OutputTensor& tensor, const Ladder& ladder) {
  const RowLayout layout = tensor.layout();
  const std::string stored = ladder.source.stored(tensor.weight).encoding;
  const Codec &now = known_codec(tensor.step.codec), &original = known_codec(stored);
  if (plain_encoding(tensor.step.codec) == stored || now.bits_per_weight > original.bits_per_weight) return {};
  const Codec* better = next_better_codec(now, ladder.format, layout.cols);
  const bool exact = ladder.format.holds(original.name, layout.cols) &&
                     (!better || better->bits_per_weight >= original.bits_per_weight);
  if (exact) better = &original;
  if (!better) return {};
  const double bits_more = better->bits_per_weight - now.bits_per_weight;
  const double after = exact ? 0.0 : std::max(0.0, harm.kld) * std::pow(4.0, -bits_more);
  return {&harm, better, after, better->stored_bytes(layout.rows, layout.cols)};
}

JointRaise joint_raise(const JointHarms& together, std::vector<StepHarm>& harms, std::span<const OutputTensor> tensors,
                       const Ladder& ladder) {
  JointRaise joint;
  for (const std::size_t h : together) {
    const OutputTensor& tensor = tensors[harms[h].step];
    const Raise raise = raise_of(harms[h], tensor, ladder);
    if (!raise.codec) continue;
    joint.gain += std::max(0.0, harms[h].kld) - raise.harm_after;
    joint.extra_bytes += static_cast<double>(raise.bytes_after) - static_cast<double>(tensor.step.bytes);
    joint.raises.push_back(raise);
  }
  return joint;
}

void apply(const Raise& raise, PlanStep& step) {
  step.reason +=
      fmt::format("; raised from {}: alone it costs {:.2g} nats on the gate text", step.codec, raise.harm->kld);
  step.codec = raise.codec->name;
  const bool is_exact = is_plain(raise.codec) || raise.harm_after == 0;  // weights that were moved would not be
  if (is_exact) step.calibration = PlanStep::Calibration::kOriginal;
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

std::optional<Plan> next_plan(const Plan& plan, const Ladder& ladder, double excess_now, std::vector<StepHarm>& harms) {
  double sum = 0;
  for (const StepHarm& harm : harms) sum += std::max(0.0, harm.kld);
  const double target = sum / std::max(1.0, excess_now) * kMargin;
  std::vector<std::size_t> steps;
  for (const StepHarm& harm : harms) steps.push_back(harm.step);
  const std::vector<JointHarms> sets = coupled_together(steps, ladder.couplings);
  Plan next = plan;
  const std::vector<OutputTensor> tensors = output_tensors(next, ladder.spec, ladder.names);
  bool raised = false;
  while (!raised || sum > target) {
    JointRaise best;
    for (const JointHarms& together : sets) {
      JointRaise candidate = joint_raise(together, harms, tensors, ladder);
      if (candidate.raises.empty()) continue;
      if (best.raises.empty() || candidate.gain_per_byte() > best.gain_per_byte()) best = std::move(candidate);
    }
    if (best.raises.empty()) break;
    sum -= best.gain;
    for (const Raise& raise : best.raises) apply(raise, next.steps[raise.harm->step]);
    raised = true;
  }
  if (!raised) return std::nullopt;
  return next;
}

}  // namespace quern
