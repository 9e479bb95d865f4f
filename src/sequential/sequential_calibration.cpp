// A group of inputs at a time: heard, its matrices moved, encoded and put in the way of what stands behind them.
#include "sequential/sequential_calibration.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/fail.h"
#include "base/interruption.h"
#include "base/sha256.h"
#include "calib/hessian_writer.h"
#include "codec/ternary.h"
#include "encode/tensor_encoding.h"
#include "model/replaced_weights.h"
#include "optim/hessian_factor.h"
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
  return hessian_identity(fmt::format("{} behind the plan {}", from.model, sequence_hash(from.plan)), from.windows,
                          from.original.precision);
}

// Of a weight of the plan's model.
std::string record_key(const SequentialFrom& from, const Weight& weight) {
  return fmt::format("moved {:.16} {}", sequence_hash(from.plan), weight.tensor);
}

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
    if (const std::vector<const Weight*> all = sequential_weights(); is_whole(all)) {
      for (const Weight* weight : all) take(*weight);
      return store_.finish();
    }
    Observer& observer = from_.encoding.observer;
    const std::size_t end = end_of_sequence();
    observer.stage("calibrate in sequence", end - 1);
    ReplacedWeights compressed(from_.original.weights);
    for (const std::size_t w : spec_.weights_of(spec_.blocks.front())) compress(w, from_.encoding.inputs, compressed);
    ActivationStore original = embed_windows(from_.original, from_.windows, from_.hidden_limit),
                    ours = embed_windows(with_weights(compressed), from_.windows, from_.hidden_limit);
    for (std::size_t b = 1; b < end; ++b) {
      check_interrupted(observer);
      pass(b, b + 1 == end, original, ours);
      observer.advance(spec_.blocks[b].name);
    }
    store_.finish();
  }

 private:
  WalkContext with_weights(const Weights& weights) const {
    return {spec_, weights, from_.original.pool, from_.original.precision};
  }

  // One block of both, compressed on the way.
  void pass(std::size_t block, bool is_last, ActivationStore& original, ActivationStore& ours) {
    ReplacedWeights compressed(from_.original.weights);
    const WalkContext context = with_weights(compressed);
    for (const InputGroup& group : input_groups(spec_, spec_.blocks[block])) {
      check_interrupted(from_.encoding.observer);
      const std::vector<const Weight*> moved = sequential_of(group);
      if (!moved.empty()) hear(block, group, moved, {context, ours}, {from_.original, original});
      if (!is_last) compress_group(block, group, compressed);
    }
    if (is_last) return;
    run_block(context, block, ours);
    run_block(from_.original, block, original);
  }

  bool is_moved(std::size_t w) const {
    const auto tensors = written_.find(w);
    return tensors != written_.end() &&
           std::ranges::any_of(tensors->second, [](const OutputTensor* t) { return t->step.is_sequential(); });
  }
  std::vector<const Weight*> sequential_weights() const {
    std::vector<const Weight*> weights;
    for (std::size_t w = 0; w < spec_.weights.size(); ++w)
      if (is_moved(w)) weights.push_back(&spec_.weights[w]);
    return weights;
  }
  std::vector<const Weight*> sequential_of(const InputGroup& group) const {
    std::vector<const Weight*> weights = sequential_weights();
    std::erase_if(weights, [&](const Weight* weight) { return weight->group != group.name; });
    return weights;
  }
  bool is_whole(const std::vector<const Weight*>& weights) const {
    return std::ranges::all_of(weights, [&](const Weight* weight) { return store_.contains(weight->group, 0); });
  }
  // Behind the last block that something is heard in.
  std::size_t end_of_sequence() const {
    std::size_t end = 1;
    for (std::size_t b = 1; b < spec_.blocks.size(); ++b)
      if (std::ranges::any_of(spec_.weights_of(spec_.blocks[b]), [&](std::size_t w) { return is_moved(w); }))
        end = b + 1;
    return end;
  }

  // Moves the matrices of a group, unless an earlier run did.
  void hear(std::size_t block, const InputGroup& group, const std::vector<const Weight*>& weights, const TextWalk& ours,
            const TextWalk& original) {
    if (is_whole(weights)) {
      for (const Weight* weight : weights) take(*weight);
      return;
    }
    const std::map<std::string, HeardInputs> heard = heard_inputs(block, {group}, ours, &original);
    const HeardInputs& of_group = heard.at(group.name);
    const std::vector<double> correction = asymmetric_correction(of_group, kRidge);
    for (const Weight* weight : weights) records_.add(record_key(from_, *weight), move(*weight, correction));
    const NewHessian hessian = to_write(group.name, of_group.hessian);
    store_.add({&hessian, 1}, from_.original.pool);
  }

  // Where there is no correction the matrix stays as it is. Returns the hash of its file.
  std::string move(const Weight& weight, const std::vector<double>& correction) {
    const Weights& source = from_.original.weights;
    std::optional<Matrix> whole;  // what is stored transposed is not read by rows
    if (weight.storage == Weight::Storage::kTransposed) whole = source.read(weight);
    return moved_.add(weight, [&](std::size_t first, std::size_t count) {
      Matrix rows(count, weight.layout().cols);
      if (!whole) source.read_rows(weight, first, rows.view());
      for (std::size_t r = 0; whole && r < count; ++r)
        std::ranges::copy(std::as_const(*whole).row(first + r), rows.row(r).begin());
      return correction.empty() ? std::move(rows) : moved_rows(rows.view(), correction, from_.original.pool);
    });
  }

  void take(const Weight& weight) {
    const std::optional<Json> record = records_.find(record_key(from_, weight));
    if (!record) fail(ErrorCode::kInput, "there is no record of tensor {} in {}", weight.tensor, folder_.string());
    moved_.take(weight, record->as_string());
  }

  // All matrices of a block that read the group: what was moved by what was heard of it.
  void compress_group(std::size_t block, const InputGroup& group, ReplacedWeights& compressed) {
    std::optional<HessianStore> store;
    Statistics statistics;
    std::optional<Inputs> inputs;
    if (!sequential_of(group).empty()) {
      store_.finish();
      statistics = statistics_of(store.emplace(folder_, store_.identity()));
      inputs.emplace(statistics, &*store, from_.memory_limit);
    }
    for (const std::size_t w : spec_.weights_of(spec_.blocks[block]))
      if (spec_.weights[w].group == group.name) compress(w, is_moved(w) ? *inputs : from_.encoding.inputs, compressed);
  }

  // From here on `compressed` has the weight about as the plan writes it: by the first of its tensors that is packed,
  // in its own order of rows, as a survey has it.
  void compress(std::size_t w, const Inputs& inputs, ReplacedWeights& compressed) {
    const Weight& weight = spec_.weights[w];
    const auto written = written_.find(w);
    if (written == written_.end() || weight.axes.size() < 2 || compressed.replaces(weight.tensor)) return;
    const auto packed = std::ranges::find_if(
        written->second, [](const OutputTensor* t) { return !is_plain(find_codec(t->step.codec)); });
    if (packed == written->second.end()) return;
    const PlanStep& step = (*packed)->step;
    const Weights& source = is_moved(w) ? static_cast<const Weights&>(moved_) : from_.encoding.source;
    compressed.replace(weight.tensor, encode_in_memory(source, weight, *find_codec(step.codec),
                                                       find_optimizer(step.optimizer), inputs, from_.original.pool));
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

// The embedding is read as rows, before anything is heard.
std::set<std::size_t> embedding_weights(const ModelSpec& spec) {
  const std::vector<std::size_t> first = spec.weights_of(spec.blocks.front());
  return {first.begin(), first.end()};
}

// Whether inputs of so many columns can be heard, and their Hessian be used.
bool fits(std::uint64_t columns, const SequenceLimits& of) {
  return std::max(heard_bytes(columns, of.window_length), factorisation_bytes(columns)) <= of.memory;
}

}  // namespace

Plan in_sequence(Plan plan, const SequenceLimits& of) {
  const std::set<std::size_t> embedding = embedding_weights(of.spec);
  std::set<std::string> heard;  // names of groups
  for (const Block& block : of.spec.blocks)
    for (const InputGroup& group : input_groups(of.spec, block))
      if (group.experts == 1 && fits(group.columns, of)) heard.insert(group.name);
  const auto moves = [&](const OutputTensor& tensor) {
    const Codec& codec = *find_codec(tensor.step.codec);
    const ExportedWeight& exported = tensor.exported;
    return find_optimizer(tensor.step.optimizer).needs == Optimizer::Needs::kHessian && !is_plain(&codec) &&
           !wants_measuring(codec) && !is_ternary(codec) && heard.contains(tensor.weight.group) &&
           !embedding.contains(exported.weight) && !exported.is_transposed(tensor.weight) &&
           exported.transform == ExportedWeight::Transform::kNone &&
           !is_stored_in(codec, of.source, tensor.weight, exported);
  };
  std::vector<bool> sequential;
  for (const OutputTensor& tensor : output_tensors(plan, of.spec, of.names)) sequential.push_back(moves(tensor));
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    plan.steps[i].calibration = sequential[i] ? PlanStep::Calibration::kSequential : PlanStep::Calibration::kOriginal;
  return plan;
}

std::string sequence_hash(const Plan& plan) {
  std::string steps;
  for (const PlanStep& step : plan.steps)
    steps += fmt::format("{} {} {} {}\n", step.output, step.codec, step.optimizer, step.is_sequential());
  return sha256_of(std::as_bytes(std::span(steps)));
}

bool has_sequence(const Plan& plan) { return std::ranges::any_of(plan.steps, &PlanStep::is_sequential); }

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
