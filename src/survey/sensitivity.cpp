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

namespace quern {
namespace {

constexpr const char* kNearest = "rtn";

ActivationStore empty_like(const ActivationStore& store, std::uint64_t memory_limit) {
  return ActivationStore(store.windows(), store.length(), store.width(), memory_limit);
}

ActivationStore copy_of(const ActivationStore& from, std::uint64_t memory_limit) {
  ActivationStore to = empty_like(from, memory_limit);
  Matrix window(from.length(), from.width());
  for (std::size_t w = 0; w < from.windows(); ++w) {
    from.load(w, window.view());
    to.save(w, window.view());
  }
  return to;
}

// The original's states: fronts[b] is what enters block b (b >= 1); the last entry is the scored rows.
std::vector<ActivationStore> fronts_of(const WalkContext& context, const Windows& windows, std::uint64_t each) {
  const std::size_t blocks = context.spec.blocks.size();
  std::vector<ActivationStore> fronts;
  fronts.push_back(ActivationStore(0, windows.length, 1, each));
  fronts.push_back(embed_windows(context, windows, each));
  for (std::size_t b = 1; b + 1 < blocks; ++b) {
    fronts.push_back(empty_like(fronts[b], each));
    run_block(context, b, fronts[b], fronts[b + 1]);
  }
  ActivationStore normed = copy_of(fronts[blocks - 1], each);
  run_head_norm(context, normed);
  fronts.push_back(scored_rows(normed, each));
  return fronts;
}

// What leaves block `block` (the embedding: 0) when it starts from the original's states in front of it; the head's
// block has not run yet.
ActivationStore behind_block(const WalkContext& context, std::size_t block, const std::vector<ActivationStore>& fronts,
                             const Windows& windows, std::uint64_t memory_limit) {
  if (block == 0) return embed_windows(context, windows, memory_limit);
  if (block + 1 == context.spec.blocks.size()) return copy_of(fronts[block], memory_limit);
  ActivationStore hidden = empty_like(fronts[block], memory_limit);
  run_block(context, block, fronts[block], hidden);
  return hidden;
}

// Scored rows of a model that differs from the original first in block `block`.
ActivationStore walk_from(const WalkContext& context, std::size_t block, const std::vector<ActivationStore>& fronts,
                          const Windows& windows, std::uint64_t memory_limit) {
  ActivationStore hidden = behind_block(context, block, fronts, windows, memory_limit);
  for (std::size_t b = block + 1; b + 1 < context.spec.blocks.size(); ++b) run_block(context, b, hidden);
  run_head_norm(context, hidden);
  return scored_rows(hidden, memory_limit);
}

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

std::vector<GroupKld> measure_groups(const EncodeInput& in, const Plan& plan, const std::vector<StepGroup>& groups,
                                     const Windows& windows, const EvaluationSetup& setup) {
  const std::uint64_t each = setup.memory_limit / (in.spec.blocks.size() + 4);  // the fronts, the head's, the walk
  const WalkContext original{in.spec, in.source, in.pool, setup.precision};
  const std::vector<ActivationStore> fronts = fronts_of(original, windows, each);
  const Divergence divergence(original, fronts.back(), original, windows, each);
  const bool alone = std::ranges::all_of(groups, [&](const StepGroup& g) { return is_of_one_weight(in, g); });
  in.observer.stage(alone ? "measure tensors one by one" : "measure bands of layers", groups.size());
  std::vector<GroupKld> measured;
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    ReplacedWeights changed(in.source);
    GroupKld& of_group = measured.emplace_back();
    const std::map<std::size_t, StepGroup> lossy = lossy_weights(in, plan, group);
    std::set<std::size_t> weights;
    for (const std::size_t w : fitting(in.spec, plan, lossy, 2 * setup.memory_limit)) {
      const StepGroup& steps = lossy.at(w);
      changed.replace(in.spec.weights[w].tensor, lossy_weight(in, in.spec.weights[w], plan.steps[steps.front()]));
      std::ranges::copy(steps, std::back_inserter(of_group.steps));
      weights.insert(w);
    }
    const WalkContext candidate{in.spec, changed, in.pool, setup.precision};
    if (!weights.empty()) of_group.kld = divergence.behind(candidate, weights, fronts, each);
    in.observer.advance(plan.steps[group.front()].tensor);
  }
  return measured;
}

std::vector<StepHarm> measure_harms(const EncodeInput& in, const Plan& plan, const std::vector<StepGroup>& groups,
                                    const Windows& windows, const EvaluationSetup& setup) {
  const std::vector<GroupKld> measured = measure_groups(in, plan, groups, windows, setup);
  std::vector<StepHarm> harms;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::uint64_t together = 0;
    for (const std::size_t i : measured[g].steps) together += plan.steps[i].parameters;
    for (const std::size_t i : groups[g])
      if (is_lossy(in, plan, i))
        harms.push_back(
            {i, measured[g].kld * static_cast<double>(plan.steps[i].parameters) / static_cast<double>(together)});
  }
  return harms;
}

PlanHarm measure_gains(const EncodeInput& in, const Plan& plan, const OpenModel& candidate,
                       const std::vector<StepGroup>& groups, const Windows& windows, const EvaluationSetup& setup) {
  const std::uint64_t each = setup.memory_limit / (in.spec.blocks.size() + 5);  // as above, and the original's rows
  const WalkContext original{in.spec, in.source, in.pool, setup.precision};
  const WalkContext whole = candidate.walk(in.pool, setup.precision);
  in.observer.stage("original on the gate text", in.spec.blocks.size() - 1);
  const ActivationStore reference = final_hidden(original, windows, each, in.observer);
  if (groups.empty()) {
    in.observer.stage("candidate on the gate text", in.spec.blocks.size() - 1);
    const ActivationStore rows = final_hidden(whole, windows, each, in.observer);
    return {mean_kld(compare(original, reference, whole, rows, windows)), {}};
  }
  const std::vector<ActivationStore> fronts = fronts_of(whole, windows, each);
  const Divergence divergence(original, reference, whole, windows, each);
  PlanHarm harm{divergence.of(whole, fronts.back()), {}};
  in.observer.stage("measure tensors together", groups.size());
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    if (float_bytes(in, group) <= 2 * setup.memory_limit) {
      ReplacedWeights changed(candidate.weights);
      std::set<std::size_t> weights;
      for (const std::size_t i : group) weights.insert(make_exact(in, plan, i, candidate.spec, changed));
      const WalkContext walk{candidate.spec, changed, in.pool, setup.precision};
      harm.gains.push_back({group, harm.kld - divergence.behind(walk, weights, fronts, each)});
    }
    in.observer.advance(plan.steps[group.front()].output);
  }
  return harm;
}

}  // namespace quern
