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

using Tensors = std::vector<OutputTensor>;  // of a plan

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
PackedTensor exact_tensor(const EncodeInput& in, const OutputTensor& tensor) {
  const ExportedRows rows(in.source, tensor);
  PlanStep as_float = tensor.step;
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

// Takes the errors of a tensor off `changed`, the files of its plan, and returns the weight of those that it is in. One
// that is stored in parts or transposed has the same order on both sides and is taken whole.
std::size_t make_exact(const EncodeInput& in, const OutputTensor& tensor, const ModelSpec& spec,
                       ReplacedWeights& changed) {
  const std::string& output = tensor.step.output;
  const std::size_t index = weight_stored_as(spec, output);
  const Weight& weight = spec.weights[index];
  if (weight.parts.empty() && weight.storage == Weight::Storage::kPlain) {
    changed.replace(output, exact_tensor(in, tensor));
  } else if (!changed.replaces(weight.tensor)) {
    changed.replace(weight.tensor, encode_in_memory(in.source, tensor.weight, *find_codec(kFloat32),
                                                    find_optimizer(kNearest), Inputs(), in.pool));
  }
  return index;
}

bool is_lossy(const EncodeInput& in, const OutputTensor& tensor) {
  return tensor.weight.axes.size() >= 2 &&
         plain_encoding(tensor.step.codec) != in.source.stored(tensor.weight).encoding;
}

// The steps of a group that lose precision, by weight.
std::map<std::size_t, StepGroup> lossy_weights(const EncodeInput& in, const Tensors& tensors, const StepGroup& group) {
  std::map<std::size_t, StepGroup> lossy;
  for (const std::size_t i : group)
    if (is_lossy(in, tensors[i])) lossy[tensors[i].exported.weight].push_back(i);
  return lossy;
}

std::uint64_t packed_bytes(const OutputTensor& tensor) {
  const RowLayout layout = tensor.weight.layout();
  return find_codec(tensor.step.codec)->stored_bytes(layout.rows, layout.cols);
}

bool is_of_one_weight(const Tensors& tensors, const StepGroup& group) {
  return std::ranges::all_of(group,
                             [&](std::size_t i) { return &tensors[i].weight == &tensors[group.front()].weight; });
}

// As many as fit, evenly spaced, at least one.
std::vector<std::size_t> fitting(const Tensors& tensors, const std::map<std::size_t, StepGroup>& weights,
                                 std::uint64_t memory) {
  std::vector<std::size_t> all, some;
  for (const auto& [w, steps] : weights) all.push_back(w);
  for (std::size_t count = all.size(); count > 0; --count) {
    some.clear();
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t w = some.emplace_back(all[i * all.size() / count]);
      bytes += packed_bytes(tensors[weights.at(w).front()]);
    }
    if (bytes <= memory) break;
  }
  return some;
}

// The weight as the plan has it, by the first of its tensors.
PackedTensor lossy_weight(const EncodeInput& in, const OutputTensor& tensor) {
  return encode_in_memory(in.source, tensor.weight, *find_codec(tensor.step.codec),
                          find_optimizer(tensor.step.optimizer), in.inputs, in.pool);
}

std::uint64_t float_bytes(const Tensors& tensors, const StepGroup& group) {
  std::uint64_t bytes = 0;
  for (const std::size_t i : group) bytes += sizeof(float) * element_count(tensors[i].shape());
  return bytes;
}

}  // namespace

std::vector<MeasuredGroup> measure_groups(SurveyOriginal& of, const Plan& plan, const std::vector<StepGroup>& groups) {
  const EncodeInput& in = of.input;
  const Tensors tensors = output_tensors(plan, in.spec, in.names);
  const std::uint64_t each = of.store_bytes();
  const WalkContext original = of.walk();
  const std::vector<ActivationStore> fronts = of.fronts();
  const Divergence divergence(original, of.rows(), original, of.windows, each);
  const bool alone = std::ranges::all_of(groups, [&](const StepGroup& g) { return is_of_one_weight(tensors, g); });
  in.observer.stage(alone ? "measure tensors one by one" : "measure bands of layers", groups.size());
  std::vector<MeasuredGroup> measured;
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    ReplacedWeights changed(in.source);
    MeasuredGroup& of_group = measured.emplace_back(MeasuredGroup{group, {}, 0});
    const std::map<std::size_t, StepGroup> lossy = lossy_weights(in, tensors, group);
    std::set<std::size_t> weights;
    for (const std::size_t w : fitting(tensors, lossy, 2 * of.setup.memory_limit)) {
      const StepGroup& steps = lossy.at(w);
      changed.replace(in.spec.weights[w].tensor, lossy_weight(in, tensors[steps.front()]));
      std::ranges::copy(steps, std::back_inserter(of_group.changed));
      weights.insert(w);
    }
    const WalkContext candidate{in.spec, changed, in.pool, of.setup.precision};
    if (!weights.empty()) of_group.kld = divergence.behind(candidate, weights, fronts, each);
    in.observer.advance(tensors[group.front()].step.tensor);
  }
  return measured;
}

std::vector<StepHarm> measure_harms(SurveyOriginal& of, const Plan& plan, const std::vector<StepGroup>& groups) {
  const Tensors tensors = output_tensors(plan, of.input.spec, of.input.names);
  std::vector<StepHarm> harms;
  for (const MeasuredGroup& group : measure_groups(of, plan, groups)) {
    std::uint64_t together = 0;
    for (const std::size_t i : group.changed) together += tensors[i].step.parameters;
    for (const std::size_t i : group.steps)
      if (is_lossy(of.input, tensors[i]))
        harms.push_back(
            {i, group.kld * static_cast<double>(tensors[i].step.parameters) / static_cast<double>(together)});
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
  const Tensors tensors = output_tensors(plan, in.spec, in.names);
  PlanHarm harm{divergence.of(whole, fronts.back()), {}};
  in.observer.stage("measure tensors together", groups.size());
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    if (float_bytes(tensors, group) <= 2 * of.setup.memory_limit) {
      ReplacedWeights changed(candidate.weights);
      std::set<std::size_t> weights;
      for (const std::size_t i : group) weights.insert(make_exact(in, tensors[i], candidate.spec, changed));
      const WalkContext walk{candidate.spec, changed, in.pool, of.setup.precision};
      harm.gains.push_back({group, harm.kld - divergence.behind(walk, weights, fronts, each)});
    }
    in.observer.advance(tensors[group.front()].step.output);
  }
  return harm;
}

}  // namespace quern
