// Options as items of a knapsack.
#include "plan/size_plan.h"

#include <algorithm>

#include "plan/choice.h"
#include "plan/knapsack.h"
#include "quern/error.h"

namespace quern {
namespace {

// Blocks of so many weights have scales of their parts, in few bits each, and so spend their bits better than smaller
// ones of hardly more bits: q4_k (4.5 bits) has less error than q4_1 (5.0 bits, blocks of 32), q5_k than q5_1. Among
// blocks with one scale it is the smaller ones that have less error.
constexpr std::uint32_t kSuperBlock = 256;

constexpr double kFineBits = 16;  // enough for what was stored in a number format that the container lacks

bool is_replaced(const Codec& codec, const std::vector<const Codec*>& all) {
  return std::ranges::any_of(all, [&](const Codec* other) {
    const double fewer_bits = codec.bits_per_weight - other->bits_per_weight;
    return other->block >= kSuperBlock && codec.block < kSuperBlock && fewer_bits >= 0 && fewer_bits < kWorthwhileBits;
  });
}

std::uint64_t other_bytes(const Plan& base, std::span<const StepOptions> options) {
  std::uint64_t bytes = base.tensor_bytes();
  for (const StepOptions& of_step : options) bytes -= base.steps[of_step.step].bytes;
  return bytes;
}

std::vector<KnapsackItem> items_of(std::span<const StepOptions> options) {
  std::vector<KnapsackItem> items;
  for (const StepOptions& of_step : options) {
    KnapsackItem& item = items.emplace_back();
    for (const StepOption& option : of_step.options) item.push_back({option.bytes, option.kld});
  }
  return items;
}

void apply(const StepOption& option, std::size_t options, PlanStep& step) {
  step.codec = option.codec->name;
  step.bytes = option.bytes;
  step.reason = options == 1 ? "nothing else holds its rows"
                             : fmt::format(
                                   "of {} number formats the one that serves the size best: {:.2g} nats of the "
                                   "predicted divergence",
                                   options, option.kld);
}

}  // namespace

std::vector<const Codec*> codecs_to_try(const Format& format, std::uint64_t cols, const Codec& source) {
  const bool held = format.holds(source.name, cols);
  const auto serves = [&](const Codec& codec) {
    const bool fewer = held ? codec.bits_per_weight < source.bits_per_weight : codec.bits_per_weight <= kFineBits;
    return fewer && codec.use == Codec::Use::kAny && format.holds(codec.name, cols) && codec.divides(cols);
  };
  std::vector<const Codec*> serving, worthwhile;
  for (const Codec* codec : codecs())
    if (serves(*codec)) serving.push_back(codec);
  std::ranges::copy_if(serving, std::back_inserter(worthwhile),
                       [&](const Codec* codec) { return !is_replaced(*codec, serving); });
  if (held) worthwhile.push_back(&source);
  return worthwhile;
}

std::vector<const Codec*> codecs_to_try(const Format& format, const Weight& weight, const ExportedWeight& output,
                                        const Codec& source) {
  std::vector<const Codec*> codecs = codecs_to_try(format, row_layout(output.output_shape(weight)).cols, source);
  std::erase_if(codecs, [&](const Codec* c) { return !why_refused(format, weight, output, c->name).empty(); });
  return codecs;
}

const StepOption* option_of(const StepOptions& of_step, const Plan& plan) {
  const std::string& codec = plan.steps[of_step.step].codec;
  const auto option =
      std::ranges::find_if(of_step.options, [&](const StepOption& o) { return o.codec->name == codec; });
  return option == of_step.options.end() ? nullptr : &*option;
}

double least_loss(std::span<const StepOptions> options) {
  double sum = 0;
  for (const StepOptions& of_step : options) sum += std::ranges::min(of_step.options, {}, &StepOption::kld).kld;
  return sum;
}

std::optional<SizedPlan> fit_plan(const Plan& base, std::span<const StepOptions> options, std::uint64_t tensor_bytes) {
  const std::uint64_t others = other_bytes(base, options);
  if (tensor_bytes < others) return std::nullopt;
  const std::optional<KnapsackSelection> best = solve_knapsack(items_of(options), tensor_bytes - others);
  if (!best) return std::nullopt;
  SizedPlan sized{.plan = base, .kld = best->loss, .shares = std::vector<double>(base.steps.size())};
  for (std::size_t i = 0; i < options.size(); ++i) {
    const StepOption& option = options[i].options[best->chosen[i]];
    apply(option, options[i].options.size(), sized.plan.steps[options[i].step]);
    sized.shares[options[i].step] = option.kld;
  }
  return sized;
}

std::vector<SizePoint> size_curve(const Plan& base, std::span<const StepOptions> options, std::size_t points) {
  const std::vector<KnapsackChoice> all = knapsack_curve(items_of(options));
  const std::uint64_t others = other_bytes(base, options);
  const std::size_t stride = std::max<std::size_t>(1, all.size() / std::max<std::size_t>(1, points));
  std::vector<SizePoint> curve;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i % stride == 0 || i + 1 == all.size()) curve.push_back({others + all[i].bytes, all[i].loss});
  return curve;
}

std::uint64_t least_tensor_bytes(const Plan& base, std::span<const StepOptions> options) {
  std::uint64_t bytes = other_bytes(base, options);
  for (const StepOptions& of_step : options)
    bytes += std::ranges::min_element(of_step.options, {}, &StepOption::bytes)->bytes;
  return bytes;
}

}  // namespace quern
