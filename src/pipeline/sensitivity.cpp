// One-at-a-time quantization from cached hidden states.
#include "pipeline/sensitivity.h"

#include <algorithm>

#include "quern/error.h"
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

// Index of the first block that uses the weight.
std::size_t first_block_of(const ModelSpec& spec, std::size_t weight) {
  for (std::size_t b = 0; b < spec.blocks.size(); ++b)
    for (const std::size_t w : spec.weights_of(spec.blocks[b]))
      if (w == weight) return b;
  fail(ErrorCode::kInternal, "no block uses tensor {}", spec.weights[weight].tensor);
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

// A tensor of the output as the source has it.
PackedTensor exact_tensor(const EncodeInput& in, const ExportedWeight& exported, const PlanStep& step) {
  const WeightSource source(in.source);
  const ExportedRows rows(source, in.spec.weights[exported.weight], exported);
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
// that is stored in parts has the same order on both sides and is taken whole.
std::size_t make_exact(const EncodeInput& in, const Plan& plan, std::size_t step, const ModelSpec& spec,
                       WeightSource& changed) {
  const ExportedWeight& exported = in.names.weights[step];
  const std::string& output = plan.steps[step].output;
  const std::size_t index = weight_stored_as(spec, output);
  const Weight& weight = spec.weights[index];
  if (weight.parts.empty()) {
    changed.replace(output, exact_tensor(in, exported, plan.steps[step]));
  } else if (!changed.replacement(weight.tensor)) {
    changed.replace(weight.tensor, encode_in_memory(WeightSource(in.source), in.spec.weights[exported.weight],
                                                    *find_codec(kFloat32), find_optimizer(kNearest), {}, in.pool));
  }
  return index;
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

std::vector<StepHarm> measure_harms(const EncodeInput& in, const Plan& plan, const Windows& windows,
                                    const EvaluationSetup& setup) {
  const std::uint64_t each =
      setup.memory_limit / (in.spec.blocks.size() + 3);  // a store in front of each block, two of scored rows, the walk
  const WeightSource exact(in.source);
  const WalkContext original{in.spec, exact, in.pool, setup.precision};
  const std::vector<ActivationStore> fronts = fronts_of(original, windows, each);
  in.observer.stage("measure tensors one by one", in.spec.weights.size());
  std::vector<StepHarm> harms;
  for (std::size_t w = 0; w < in.spec.weights.size(); ++w) {
    check_interrupted(in.observer);
    const Weight& weight = in.spec.weights[w];
    std::vector<std::size_t> steps;  // several where the weight becomes several tensors
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      if (in.names.weights[i].weight == w) steps.push_back(i);
    ensure(!steps.empty(), "no step writes {}", weight.tensor);
    const PlanStep& step = plan.steps[steps.front()];
    if (weight.axes.size() >= 2 && step.codec != stored_encoding(in.source, weight)) {
      WeightSource changed(in.source);
      changed.replace(weight.tensor, encode_in_memory(exact, weight, *find_codec(step.codec),
                                                      find_optimizer(step.optimizer), in.statistics, in.pool));
      const WalkContext candidate{in.spec, changed, in.pool, setup.precision};
      const ActivationStore rows = walk_from(candidate, first_block_of(in.spec, w), fronts, windows, each);
      const double kld = mean_kld(compare(original, fronts.back(), candidate, rows, windows));
      for (const std::size_t i : steps) harms.push_back({i, kld / static_cast<double>(steps.size())});
    }
    in.observer.advance(weight.tensor);
  }
  return harms;
}

PlanHarm measure_gains(const EncodeInput& in, const Plan& plan, const OpenModel& candidate,
                       const std::vector<StepGroup>& groups, const Windows& windows, const EvaluationSetup& setup) {
  const std::uint64_t each = setup.memory_limit / (in.spec.blocks.size() + 4);  // as above, and the original's rows
  const WeightSource exact(in.source);
  const WalkContext original{in.spec, exact, in.pool, setup.precision};
  const WalkContext whole = candidate.walk(in.pool, setup.precision);
  in.observer.stage("original on the gate text", in.spec.blocks.size() - 1);
  const ActivationStore reference = final_hidden(original, windows, each, in.observer);
  const std::vector<ActivationStore> fronts = fronts_of(whole, windows, each);
  PlanHarm harm{mean_kld(compare(original, reference, whole, fronts.back(), windows)), {}};
  if (!groups.empty()) in.observer.stage("measure tensors together", groups.size());
  for (const StepGroup& group : groups) {
    check_interrupted(in.observer);
    const std::string& first = plan.steps[group.front()].output;
    if (float_bytes(in, group) <= 2 * setup.memory_limit) {
      WeightSource changed(candidate.checkpoint);
      std::size_t block = candidate.spec.blocks.size();
      for (const std::size_t i : group)
        block = std::min(block, first_block_of(candidate.spec, make_exact(in, plan, i, candidate.spec, changed)));
      const WalkContext walk{candidate.spec, changed, in.pool, setup.precision};
      const ActivationStore rows = walk_from(walk, block, fronts, windows, each);
      harm.gains.push_back({group, harm.kld - mean_kld(compare(original, reference, walk, rows, windows))});
    }
    in.observer.advance(first);
  }
  return harm;
}

}  // namespace quern
