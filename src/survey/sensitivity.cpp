// One-at-a-time quantization from cached hidden states.
#include "survey/sensitivity.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/fail.h"
#include "base/interruption.h"
#include "measure/expected_head.h"
#include "model/replaced_weights.h"
#include "runtime/head.h"
#include "survey/fronts.h"

namespace quern {
namespace {

constexpr const char* kNearest = "rtn";

// From an original to candidates that share most of their weights with `base`.
class Divergence {
 public:
  Divergence(const WalkContext& original, const ActivationStore& rows, const WalkContext& base, const Windows& windows,
             std::uint64_t memory_limit)
      : original_(original), rows_(rows), windows_(windows), head_(original, rows, base, windows, memory_limit) {
    for (const std::size_t w : base.spec.weights_of(base.spec.blocks.back())) last_.insert(w);
  }

  // Of one with the head of `base`, nats.
  double of(const WalkContext& candidate, const ActivationStore& rows) const { return head_.mean_kld(candidate, rows); }

  // Of one that differs from `base`, whose states `fronts` are, in `weights` alone.
  double behind(const WalkContext& candidate, const std::set<std::size_t>& weights,
                const std::vector<ActivationStore>& fronts, std::uint64_t memory_limit) const {
    std::size_t first = candidate.spec.blocks.size();
    bool has_its_head = false;
    for (const std::size_t w : weights) {
      first = std::min(first, first_block_of(candidate.spec, w));
      has_its_head = has_its_head || last_.contains(w);
    }
    const ActivationStore rows = walk_from(candidate, first, fronts, windows_, memory_limit);
    return has_its_head ? mean_kld(compare(original_, rows_, candidate, rows, windows_)) : of(candidate, rows);
  }

 private:
  const WalkContext& original_;
  const ActivationStore& rows_;
  const Windows& windows_;
  ExpectedHead head_;
  std::set<std::size_t> last_;  // weights of the last block
};

// A tensor of the output as the source has it.
PackedTensor exact_tensor(const EncodeInput& in, const ExportedWeight& exported, const PlanStep& step) {
  const ExportedRows rows(in.source, in.spec.weights[exported.weight], exported);
  PlanStep as_float = step;
  as_float.codec = kFloat32;
  PackedTensor whole(*find_codec(kFloat32), rows.layout());
  const std::vector<RowTask> tasks = row_tasks(rows);
  in.pool.run(tasks.size(), [&](std::size_t i) {
    const EncodedRows part = encode_rows(rows, as_float, {}, tasks[i]);
    std::ranges::copy(part.packed.plane(0), whole.row(tasks[i].first)[0]);
  });
  return whole;
}

// The weight that the tensor is, or is a part of.
std::size_t weight_stored_as(const ModelSpec& spec, const std::string& tensor) {
  const auto found = std::ranges::find_if(spec.weights, [&](const Weight& weight) {
    return weight.tensor == tensor || std::ranges::count(weight.parts, tensor, &WeightPart::tensor) > 0;
  });
  ensure(found != spec.weights.end(), "no weight is stored as {}", tensor);
  return static_cast<std::size_t>(found - spec.weights.begin());
}

// Takes the errors of a step off `changed`, the files of `plan`, and returns the weight of those that it is in. One
// that is stored in parts or transposed has the same order on both sides and is taken whole.
std::size_t make_exact(const EncodeInput& in, const Plan& plan, std::size_t step, const ModelSpec& spec,
                       ReplacedWeights& changed) {
  const ExportedWeight& exported = in.names.weights[step];
  const std::string& output = plan.steps[step].output;
  const std::size_t index = weight_stored_as(spec, output);
  const Weight& weight = spec.weights[index];
  if (weight.parts.empty() && weight.storage == Weight::Storage::kPlain) {
    changed.replace(output, exact_tensor(in, exported, plan.steps[step]));
  } else if (!changed.replaces(weight.tensor)) {
    changed.replace(weight.tensor, encode_in_memory(in.source, in.spec.weights[exported.weight], *find_codec(kFloat32),
                                                    find_optimizer(kNearest), Inputs(), in.pool));
  }
  return index;
}

bool is_lossy(const EncodeInput& in, const Plan& plan, std::size_t step) {
  const Weight& weight = in.spec.weights[in.names.weights[step].weight];
  return weight.axes.size() >= 2 && plain_encoding(plan.steps[step].codec) != in.source.stored(weight).encoding;
}

// The steps of a group that lose precision, by weight.
std::map<std::size_t, StepGroup> lossy_weights(const EncodeInput& in, const Plan& plan, const StepGroup& group) {
  std::map<std::size_t, StepGroup> lossy;
  for (const std::size_t i : group)
    if (is_lossy(in, plan, i)) lossy[in.names.weights[i].weight].push_back(i);
  return lossy;
}

std::uint64_t packed_bytes(const Weight& weight, const PlanStep& step) {
  return find_codec(step.codec)->stored_bytes(weight.layout().rows, weight.layout().cols);
}

bool is_of_one_weight(const EncodeInput& in, const StepGroup& group) {
  return std::ranges::all_of(
      group, [&](std::size_t i) { return in.names.weights[i].weight == in.names.weights[group.front()].weight; });
}

// As many as fit, evenly spaced, at least one.
std::vector<std::size_t> fitting(const ModelSpec& spec, const Plan& plan,
                                 const std::map<std::size_t, StepGroup>& weights, std::uint64_t memory) {
  std::vector<std::size_t> all, some;
  for (const auto& [w, steps] : weights) all.push_back(w);
  for (std::size_t count = all.size(); count > 0; --count) {
    some.clear();
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t w = some.emplace_back(all[i * all.size() / count]);
      bytes += packed_bytes(spec.weights[w], plan.steps[weights.at(w).front()]);
    }
    if (bytes <= memory) break;
  }
  return some;
}

// The weight as the plan has it, by the first of its steps.
PackedTensor lossy_weight(const EncodeInput& in, const Weight& weight, const PlanStep& step) {
  return encode_in_memory(in.source, weight, *find_codec(step.codec), find_optimizer(step.optimizer), in.inputs,
                          in.pool);
}

std::uint64_t float_bytes(const EncodeInput& in, const StepGroup& group) {
  std::uint64_t bytes = 0;
  for (const std::size_t i : group) {
    const ExportedWeight& exported = in.names.weights[i];
    bytes += sizeof(float) * element_count(exported.output_shape(in.spec.weights[exported.weight]));
  }
  return bytes;
}

}  // namespace

std::vector<GroupKld> measure_groups(SurveyOriginal& of, const Plan& plan, const std::vector<StepGroup>& groups) {
  const EncodeInput& in = of.input;
  const std::uint64_t each = of.store_bytes();
  const WalkContext original = of.walk();
  const std::vector<ActivationStore> fronts = of.fronts();
  const Divergence divergence(original, of.rows(), original, of.windows, each);
  const bool alone = std::ranges::all_of(groups, [&](const StepGroup& g) { return is_of_one_weight(in, g); });
  in.observer.stage(alone ? "measure tensors one by one" : "measure bands of layers", groups.size());
  std::vector<GroupKld> measured;
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    ReplacedWeights changed(in.source);
    GroupKld& of_group = measured.emplace_back();
    const std::map<std::size_t, StepGroup> lossy = lossy_weights(in, plan, group);
    std::set<std::size_t> weights;
    for (const std::size_t w : fitting(in.spec, plan, lossy, 2 * of.setup.memory_limit)) {
      const StepGroup& steps = lossy.at(w);
      changed.replace(in.spec.weights[w].tensor, lossy_weight(in, in.spec.weights[w], plan.steps[steps.front()]));
      std::ranges::copy(steps, std::back_inserter(of_group.steps));
      weights.insert(w);
    }
    const WalkContext candidate{in.spec, changed, in.pool, of.setup.precision};
    if (!weights.empty()) of_group.kld = divergence.behind(candidate, weights, fronts, each);
    in.observer.advance(plan.steps[group.front()].tensor);
  }
  return measured;
}

std::vector<StepHarm> measure_harms(SurveyOriginal& of, const Plan& plan, const std::vector<StepGroup>& groups) {
  const std::vector<GroupKld> measured = measure_groups(of, plan, groups);
  std::vector<StepHarm> harms;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::uint64_t together = 0;
    for (const std::size_t i : measured[g].steps) together += plan.steps[i].parameters;
    for (const std::size_t i : groups[g])
      if (is_lossy(of.input, plan, i))
        harms.push_back(
            {i, measured[g].kld * static_cast<double>(plan.steps[i].parameters) / static_cast<double>(together)});
  }
  return harms;
}

double measure_whole(SurveyOriginal& of, const OpenModel& candidate) {
  const EncodeInput& in = of.input;
  const WalkContext original = of.walk(), whole = candidate.walk(in.pool, of.setup.precision);
  const ActivationStore& reference = of.rows();
  in.observer.stage("candidate on the gate text", in.spec.blocks.size() - 1);
  const ActivationStore rows = final_hidden(whole, of.windows, of.store_bytes(), in.observer);
  return mean_kld(compare(original, reference, whole, rows, of.windows));
}

PlanHarm measure_gains(SurveyOriginal& of, const Plan& plan, const OpenModel& candidate,
                       const std::vector<StepGroup>& groups) {
  const EncodeInput& in = of.input;
  const std::uint64_t each = of.store_bytes();
  const WalkContext original = of.walk(), whole = candidate.walk(in.pool, of.setup.precision);
  const ActivationStore& reference = of.rows();
  const std::vector<ActivationStore> fronts = fronts_of(whole, of.windows, each);
  const Divergence divergence(original, reference, whole, of.windows, each);
  PlanHarm harm{divergence.of(whole, fronts.back()), {}};
  in.observer.stage("measure tensors together", groups.size());
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    if (float_bytes(in, group) <= 2 * of.setup.memory_limit) {
      ReplacedWeights changed(candidate.weights);
      std::set<std::size_t> weights;
      for (const std::size_t i : group) weights.insert(make_exact(in, plan, i, candidate.spec, changed));
      const WalkContext walk{candidate.spec, changed, in.pool, of.setup.precision};
      harm.gains.push_back({group, harm.kld - divergence.behind(walk, weights, fronts, each)});
    }
    in.observer.advance(plan.steps[group.front()].output);
  }
  return harm;
}

}  // namespace quern
