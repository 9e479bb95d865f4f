// Options as items of a knapsack.
#include "plan/size_plan.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <tuple>

#include "base/fail.h"
#include "codec/ternary.h"
#include "plan/better_codec.h"
#include "plan/choice.h"
#include "plan/knapsack.h"

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

// What all rows of a tensor share.
std::uint64_t shared_bytes(const Codec& codec, const RowLayout& layout) {
  return codec.stored_bytes(layout.rows, layout.cols) - codec.stripes(layout.rows) * codec.row_bytes(layout.cols);
}

// More of what is shared loses less, and is paid for as long as it is a small part of the tensor.
constexpr std::uint64_t kLeastTimesShared = 50;

void keep_best_codebooks(std::vector<const Codec*>& codecs, const RowLayout& layout) {
  std::erase_if(codecs, [&](const Codec* c) {
    return c->train &&
           shared_bytes(*c, layout) * kLeastTimesShared > c->stripes(layout.rows) * c->row_bytes(layout.cols);
  });
  const std::vector<const Codec*> fitting = codecs;
  std::erase_if(codecs, [&](const Codec* c) {
    return c->train && shared_bytes(*c, layout) > 0 && std::ranges::any_of(fitting, [&](const Codec* other) {
             return other->train && other->bits_per_weight == c->bits_per_weight &&
                    shared_bytes(*other, layout) > shared_bytes(*c, layout);
           });
  });
}

// Whether the values of the weight are some of the codec's, which has three.
bool keeps_values(const Codec& codec, const ExportedWeight& output, const TernaryForms& forms) {
  const auto form = forms.find(output.weight);
  return form != forms.end() && is_ternary(codec) &&
         (!codec.train || form->second.scale == TernaryForm::Scale::kTensor);
}

std::uint64_t other_bytes(const Plan& base, std::span<const StepOptions> options) {
  std::uint64_t bytes = base.tensor_bytes();
  for (const StepOptions& of_step : options) bytes -= base.steps[of_step.step].bytes;
  return bytes;
}

std::vector<KnapsackItem> items_of(const std::vector<JointOptions>& joint) {
  std::vector<KnapsackItem> items;
  for (const JointOptions& options : joint) {
    KnapsackItem& item = items.emplace_back();
    for (const JointChoice& choice : options) item.push_back({choice.bytes, choice.kld});
  }
  return items;
}

// Of a step that has `own` options by itself.
std::string reason_of(const JointOptions& joint, std::size_t own, double kld) {
  const std::size_t members = joint[0].members.size();
  const std::string company =
      members == 1 ? std::string() : fmt::format(", the same for {} matrices that runtimes make one of", members);
  if (own == 1) return "nothing else holds its rows" + company;
  if (joint.size() == 1) return "the only number format that goes with those of the others" + company;
  return fmt::format(
      "of {} number formats the one that serves the size best{}: {:.2g} nats of the predicted divergence", joint.size(),
      company, kld);
}

struct Solution {
  const std::vector<JointOptions>* joint = nullptr;
  KnapsackSelection best;
};

// Null where no mix has choices so small.
Solution solve(const std::vector<std::vector<JointOptions>>& mixes, std::uint64_t budget) {
  Solution solution;
  for (const std::vector<JointOptions>& joint : mixes) {
    std::optional<KnapsackSelection> found = solve_knapsack(items_of(joint), budget);
    if (!found) continue;
    const KnapsackSelection& best = solution.best;
    if (!solution.joint || std::tie(found->loss, found->bytes) < std::tie(best.loss, best.bytes))
      solution = {&joint, std::move(*found)};
  }
  return solution;
}

// Those that no other has less loss than, for as few bytes.
std::vector<KnapsackChoice> undominated(std::vector<KnapsackChoice> points) {
  std::ranges::sort(points, [](const KnapsackChoice& a, const KnapsackChoice& b) {
    return std::tie(a.bytes, a.loss) < std::tie(b.bytes, b.loss);
  });
  std::vector<KnapsackChoice> kept;
  for (const KnapsackChoice& point : points)
    if (kept.empty() || point.loss < kept.back().loss) kept.push_back(point);
  return kept;
}

}  // namespace

std::vector<const Codec*> codecs_to_try(const Format& format, std::uint64_t cols, const Codec& source, Reach reach) {
  const bool held = format.holds(source.name, cols);
  const auto serves = [&](const Codec& codec) {
    const bool fewer = held ? codec.bits_per_weight < source.bits_per_weight : codec.bits_per_weight <= kFineBits;
    return fewer && codec.use == Codec::Use::kAny && reach_of(codec) <= reach && format.holds(codec.name, cols) &&
           codec.divides(cols);
  };
  std::vector<const Codec*> serving, worthwhile;
  for (const Codec* codec : codecs())
    if (serves(*codec)) serving.push_back(codec);
  std::ranges::copy_if(serving, std::back_inserter(worthwhile),
                       [&](const Codec* codec) { return !is_replaced(*codec, serving); });
  if (held) {
    worthwhile.push_back(&source);
  } else if (format.holds(kFloat32, cols)) {  // what was decoded of a source that the container cannot hold
    worthwhile.push_back(find_codec(kFloat32));
  }
  return worthwhile;
}

std::vector<const Codec*> codecs_to_try(const Format& format, const Weight& weight, const ExportedWeight& output,
                                        const Codec& source, const TernaryForms& ternary, Reach reach) {
  const RowLayout layout = row_layout(output.output_shape(weight));
  std::vector<const Codec*> tried = codecs_to_try(format, layout.cols, source, reach);
  std::ranges::copy_if(codecs(), std::inserter(tried, tried.begin()), [&](const Codec* c) {
    return keeps_values(*c, output, ternary) && reach_of(*c) <= reach && format.holds(c->name, layout.cols) &&
           c->divides(layout.cols);
  });
  keep_best_codebooks(tried, layout);
  std::erase_if(tried, [&](const Codec* c) { return !why_refused(format, weight, output, c->name).empty(); });
  return tried;
}

const StepOption* option_of(const StepOptions& of_step, const Plan& plan) {
  const std::string& codec = plan.steps[of_step.step].codec;
  const auto option =
      std::ranges::find_if(of_step.options, [&](const StepOption& o) { return o.codec->name == codec; });
  return option == of_step.options.end() ? nullptr : &*option;
}

double least_loss(const Plan& base, std::span<const StepOptions> options, const SizeRules& rules) {
  double least = std::numeric_limits<double>::infinity();
  for (const std::vector<JointOptions>& joint : joint_options(base, options, rules)) {
    double sum = 0;
    for (const JointOptions& of : joint) sum += std::ranges::min(of, {}, &JointChoice::kld).kld;
    least = std::min(least, sum);
  }
  return least;
}

std::optional<SizedPlan> fit_plan(const Plan& base, std::span<const StepOptions> options, std::uint64_t tensor_bytes,
                                  const SizeRules& rules) {
  const std::uint64_t others = other_bytes(base, options);
  if (tensor_bytes < others) return std::nullopt;
  const std::vector<std::vector<JointOptions>> mixes = joint_options(base, options, rules);
  const Solution solution = solve(mixes, tensor_bytes - others);
  if (!solution.joint) return std::nullopt;
  SizedPlan sized{base, solution.best.loss, {}};
  for (std::size_t i = 0; i < solution.joint->size(); ++i) {
    const JointOptions& joint = (*solution.joint)[i];
    for (const MemberChoice& chosen : joint[solution.best.chosen[i]].members) {
      const StepOptions& of_step = options[chosen.member];
      const StepOption& option = of_step.options[chosen.option];
      PlanStep& step = sized.plan.steps[of_step.step];
      // What was noted on it was about the number format of the scheme.
      std::erase_if(sized.plan.notes, [&](const std::string& note) { return note.starts_with(step.tensor + ": "); });
      step.codec = option.codec->name;
      step.bytes = option.bytes;
      step.reason = reason_of(joint, of_step.options.size(), option.kld);
    }
  }
  return sized;
}

std::vector<SizePoint> size_curve(const Plan& base, std::span<const StepOptions> options, std::size_t points,
                                  const SizeRules& rules) {
  std::vector<KnapsackChoice> found;
  for (const std::vector<JointOptions>& joint : joint_options(base, options, rules))
    std::ranges::copy(knapsack_curve(items_of(joint)), std::back_inserter(found));
  const std::vector<KnapsackChoice> all = undominated(std::move(found));
  const std::uint64_t others = other_bytes(base, options);
  const std::size_t stride = std::max<std::size_t>(1, all.size() / std::max<std::size_t>(1, points));
  std::vector<SizePoint> curve;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i % stride == 0 || i + 1 == all.size()) curve.push_back({others + all[i].bytes, all[i].loss});
  return curve;
}

std::uint64_t least_tensor_bytes(const Plan& base, std::span<const StepOptions> options, const SizeRules& rules) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const std::vector<JointOptions>& joint : joint_options(base, options, rules)) {
    std::uint64_t sum = 0;
    for (const JointOptions& of : joint) sum += std::ranges::min(of, {}, &JointChoice::bytes).bytes;
    least = std::min(least, sum);
  }
  return other_bytes(base, options) + least;
}

}  // namespace quern
