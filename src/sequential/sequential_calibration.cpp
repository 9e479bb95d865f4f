// A group of inputs at a time: heard, its matrices moved, encoded and put in the way of what stands behind them.
#include "sequential/sequential_calibration.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/fail.h"
#include "base/interruption.h"
#include "calib/hessian_writer.h"
#include "model/replaced_weights.h"
#include "plan/choice.h"
#include "runtime/block_walk.h"
#include "sequential/moved_rows.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Of the mean diagonal: what keeps weights near those of the original. 0.3 moved them too little and bought a third of
// it (llama-7m, q3_k_m).
constexpr double kRidge = 0.03;

HessianIdentity identity_of(const SequentialFrom& from) {
  return hessian_identity(fmt::format("{} behind the plan {}", from.model, from.plan.sha256()), from.windows,
                          from.original.precision);
}

// Of a weight of the plan's model.
std::string record_key(const SequentialFrom& from, const Weight& weight) {
  return fmt::format("moved {:.16} {}", from.plan.sha256(), weight.tensor);
}

bool is_sequential(const PlanStep& step) { return step.calibration == PlanStep::Calibration::kSequential; }

NewHessian to_write(const std::string& group, const Hessian& hessian) {
  NewHessian out{group, 0, {{}, hessian.tokens}, {}};
  for (std::size_t i = 0; i < hessian.columns; ++i)
    out.moments.mean_square.push_back(static_cast<double>(hessian.at(i, i)));
  out.rows = [&hessian](std::size_t i, std::span<float> row) { std::ranges::copy(hessian.row(i), row.begin()); };
  return out;
}

// The collection, as far as it has got.
class Collection {
 public:
  Collection(const SequentialFrom& from, const fs::path& folder, Journal& records, MovedWeights& moved)
      : from_(from),
        spec_(from.original.spec),
        folder_(folder),
        records_(records),
        moved_(moved),
        store_(folder, identity_of(from)),
        tensors_(output_tensors(from.plan, spec_, from.encoding.names)) {
    for (const OutputTensor& tensor : tensors_) written_[tensor.exported.weight].push_back(&tensor);
  }

  void run() {
    Observer& observer = from_.encoding.observer;
    observer.stage("calibrate in sequence", spec_.blocks.size() - 1);
    ReplacedWeights compressed(from_.original.weights);
    for (const std::size_t weight : spec_.weights_of(spec_.blocks.front())) compress(weight, compressed);
    ActivationStore original = embed_windows(from_.original, from_.windows, from_.hidden_limit),
                    ours = embed_windows(with_weights(compressed), from_.windows, from_.hidden_limit);
    for (std::size_t b = 1; b < spec_.blocks.size(); ++b) {
      check_interrupted(observer);
      pass(b, original, ours);
      observer.advance(spec_.blocks[b].name);
    }
    store_.finish();
  }

 private:
  WalkContext with_weights(const Weights& weights) const {
    return {spec_, weights, from_.original.pool, from_.original.precision};
  }

  // One block of both, compressed on the way.
  void pass(std::size_t block, ActivationStore& original, ActivationStore& ours) {
    ReplacedWeights compressed(from_.original.weights);
    const WalkContext context = with_weights(compressed);
    const std::vector<std::size_t> weights = spec_.weights_of(spec_.blocks[block]);
    for (const InputGroup& group : input_groups(spec_, spec_.blocks[block])) {
      check_interrupted(from_.encoding.observer);
      if (has_sequential(group)) hear(block, group, {context, ours}, {from_.original, original});
      for (const std::size_t w : weights)
        if (spec_.weights[w].group == group.name) compress(w, compressed);
    }
    if (block + 1 == spec_.blocks.size()) return;
    run_block(context, block, ours);
    run_block(from_.original, block, original);
  }

  std::vector<const Weight*> sequential_of(const InputGroup& group) const {
    std::vector<const Weight*> weights;
    for (const auto& [w, tensors] : written_)
      if (spec_.weights[w].group == group.name && is_sequential(tensors.front()->step))
        weights.push_back(&spec_.weights[w]);
    return weights;
  }
  bool has_sequential(const InputGroup& group) const { return !sequential_of(group).empty(); }

  // Moves the matrices of a group, unless an earlier run did.
  void hear(std::size_t block, const InputGroup& group, const TextWalk& ours, const TextWalk& original) {
    const std::vector<const Weight*> weights = sequential_of(group);
    if (store_.contains(group.name, 0)) {
      for (const Weight* weight : weights) take(*weight);
      return;
    }
    const std::map<std::string, HeardInputs> heard = heard_inputs(block, {group}, ours, &original);
    const HeardInputs& of_group = heard.at(group.name);
    const std::vector<double> correction = asymmetric_correction(of_group, kRidge);
    for (const Weight* weight : weights) {
      Matrix rows = from_.original.weights.read(*weight);
      if (!correction.empty()) rows = moved_rows(rows.view(), correction, from_.original.pool);
      records_.add(record_key(from_, *weight), moved_.add(*weight, rows));
    }
    const NewHessian hessian = to_write(group.name, of_group.hessian);
    store_.add({&hessian, 1}, from_.original.pool);
    store_.finish();
  }

  void take(const Weight& weight) {
    const std::optional<Json> record = records_.find(record_key(from_, weight));
    if (!record) fail(ErrorCode::kInput, "there is no record of tensor {} in {}", weight.tensor, folder_.string());
    moved_.take(weight, record->as_string());
  }

  // From here on `compressed` has the weight as the plan writes it, by the first of its tensors.
  void compress(std::size_t w, ReplacedWeights& compressed) {
    const Weight& weight = spec_.weights[w];
    const auto written = written_.find(w);
    if (written == written_.end() || weight.axes.size() < 2 || compressed.replaces(weight.tensor)) return;
    const PlanStep& step = written->second.front()->step;
    const Codec& codec = *find_codec(step.codec);
    if (is_plain(&codec)) return;
    const Optimizer& optimizer = find_optimizer(step.optimizer);
    if (!is_sequential(step)) {
      compressed.replace(weight.tensor, encode_in_memory(from_.encoding.source, weight, codec, optimizer,
                                                         from_.encoding.inputs, from_.original.pool));
      return;
    }
    const HessianStore store(folder_, store_.identity());
    const Statistics statistics = statistics_of(store);
    const Inputs inputs(statistics, &store, from_.memory_limit);
    compressed.replace(weight.tensor, encode_in_memory(moved_, weight, codec, optimizer, inputs, from_.original.pool));
  }

  const SequentialFrom& from_;
  const ModelSpec& spec_;
  const fs::path& folder_;
  Journal& records_;
  MovedWeights& moved_;
  HessianWriter store_;
  const std::vector<OutputTensor> tensors_;
  std::map<std::size_t, std::vector<const OutputTensor*>> written_;  // by ExportedWeight::weight
};

// Weights that are read by an op that is not a product of matrices, or by the first block, are left as they are.
std::set<std::size_t> embedding_weights(const ModelSpec& spec) {
  const std::vector<std::size_t> first = spec.weights_of(spec.blocks.front());
  return {first.begin(), first.end()};
}

}  // namespace

Plan in_sequence(Plan plan, const ModelSpec& spec, const ExportMap& names, std::uint64_t memory) {
  const std::set<std::size_t> embedding = embedding_weights(spec);
  std::set<std::size_t> heard;
  for (const Block& block : spec.blocks)
    for (const InputGroup& group : input_groups(spec, block))
      for (std::size_t w = 0; w < spec.weights.size(); ++w)
        if (spec.weights[w].group == group.name && group.experts == 1 && heard_bytes(group.columns) <= memory)
          heard.insert(w);
  const std::vector<OutputTensor> tensors = output_tensors(plan, spec, names);
  std::set<std::size_t> kept = embedding;  // a part of which cannot be moved
  for (const OutputTensor& tensor : tensors) {
    const bool moves = find_optimizer(tensor.step.optimizer).needs == Optimizer::Needs::kHessian &&
                       !is_plain(find_codec(tensor.step.codec)) && heard.contains(tensor.exported.weight) &&
                       !tensor.exported.is_transposed(tensor.weight) &&
                       tensor.exported.transform == ExportedWeight::Transform::kNone;
    if (!moves) kept.insert(tensor.exported.weight);
  }
  std::vector<bool> sequential;
  for (const OutputTensor& tensor : tensors) sequential.push_back(!kept.contains(tensor.exported.weight));
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    plan.steps[i].calibration = sequential[i] ? PlanStep::Calibration::kSequential : PlanStep::Calibration::kOriginal;
  return plan;
}

bool has_sequence(const Plan& plan) { return std::ranges::any_of(plan.steps, is_sequential); }

SequentialCalibration::SequentialCalibration(const SequentialFrom& from, const fs::path& folder, Journal& records)
    : moved_(from.original.weights, folder / "moved") {
  make_folder(folder);
  make_folder(folder / "moved");
  const fs::path hessians = folder / "hessians";
  Collection(from, hessians, records, moved_).run();
  store_.emplace(hessians, identity_of(from));
  statistics_ = statistics_of(*store_);
  inputs_.emplace(statistics_, &*store_, from.memory_limit);
}

}  // namespace quern
