// quern_encoder_steps CALIBRATION WINDOWS EVALUATION MODEL FORMAT STEP...: what a model loses in a number format when
// its codes are chosen in one way and in another, its bytes as many each time. FORMAT: a scheme, or a codec that all
// matrices of the layers get. STEP: a row of kWays. A line each: step, mean KL divergence in nats, its standard error.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fail.h"
#include "compress/opened.h"
#include "encode/weight_rows.h"
#include "measure/evaluate.h"
#include "model/replaced_weights.h"
#include "optim/feedback.h"
#include "optim/optimizer.h"
#include "quern/error.h"
#include "sequential/heard_inputs.h"
#include "sequential/moved_rows.h"
#include "tokenizer/texts.h"

namespace quern {
namespace {

constexpr std::size_t kWindow = 512, kEvaluationWindows = 40;

struct Way {
  const char* name;
  void (*encode)(const InputContext& inputs, MatrixView rows, PackedTensor& out);
  // What is compressed in front of the matrices whose inputs are heard: nothing, all blocks before theirs, or these and
  // what stands before them in their own.
  enum class Front { kOriginal, kBlocks, kGroups } front = Front::kOriginal;
  double asymmetry = 0;  // how far weights are moved to what best gives the original's outputs; 1: all the way
  double ridge = 0;      // what keeps them near, as a share of the mean of the Hessian's diagonal
};

void plain(const InputContext&, MatrixView rows, PackedTensor& out) { encode_rows(rows, {}, out); }

void weighted(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  encode_rows(rows, inputs.importance, out);
}

void feed_back(const InputContext& inputs, MatrixView rows, PackedTensor& out, const FeedbackOptions& options) {
  if (!inputs.hessian) return weighted(inputs, rows, out);
  encode_with_feedback(*inputs.hessian, rows, inputs.importance, out, options);
}

void fitted_once(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  feed_back(inputs, rows, out, {.fit = FeedbackOptions::Fit::kOnce});
}

template <int kRefits>
void fitted_at_blocks(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  feed_back(inputs, rows, out, {.refits = kRefits});
}

void descended(const InputContext& inputs, MatrixView rows, PackedTensor& out) {
  feed_back(inputs, rows, out, {.refits = 1, .sweeps = 2});
}

constexpr Way kWays[] = {
    {"plain", plain},
    {"importance", weighted},
    {"feedback-once", fitted_once},
    {"feedback-blocks", fitted_at_blocks<0>},
    {"refits", fitted_at_blocks<1>},
    {"refits-2", fitted_at_blocks<2>},
    {"descent", descended},
    {"sequential", descended, Way::Front::kBlocks},
    {"sequential-groups", descended, Way::Front::kGroups},
    {"asymmetric", descended, Way::Front::kBlocks, 1, 0.03},
    {"asymmetric-half", descended, Way::Front::kBlocks, 0.5, 0.03},
    {"asymmetric-groups", descended, Way::Front::kGroups, 1, 0.03},
    {"asymmetric-groups-half", descended, Way::Front::kGroups, 0.5, 0.03},
    {"asymmetric-groups-ridge", descended, Way::Front::kGroups, 1, 0.3},
};

const Way& way_named(const std::string& name) {
  for (const Way& way : kWays)
    if (way.name == name) return way;
  fail(ErrorCode::kUsage, "there is no step {}", name);
}

// `share` of the way from `weights` to `moved`.
Matrix part_of_the_way(const Matrix& weights, Matrix moved, double share) {
  for (std::size_t i = 0; i < moved.flat().size(); ++i)
    moved.flat()[i] = static_cast<float>((1 - share) * static_cast<double>(weights.flat()[i]) +
                                         share * static_cast<double>(moved.flat()[i]));
  return moved;
}

// What every way starts from.
struct Start {
  const Opened& opened;
  std::map<std::string, const Codec*> codecs;  // by tensor
  Windows calibration;
  std::map<std::string, HeardInputs> original;  // of every group, in the original
};

ActivationStore at_the_start(const WalkContext& context, const Windows& windows) {
  return embed_windows(context, windows, UINT64_MAX);
}

// One model, encoded in one way.
class Encoding {
 public:
  Encoding(const Start& start, const Way& way)
      : start_(start), way_(way), spec_(start.opened.source.spec), weights_(start.opened.source.weights) {
    encode_embedding();
    if (way.front == Way::Front::kOriginal)
      encode_groups(start.original);
    else
      encode_blocks();
  }

  WalkContext walk() const { return {spec_, weights_, start_.opened.pool(), start_.opened.setup.precision}; }

 private:
  // Where it is the head as well, by the original's last inputs: others are not there yet.
  void encode_embedding() {
    for (const Op& op : spec_.blocks.front().ops)
      for (const std::size_t weight : op.weights) encode(spec_.weights[weight], start_.original);
  }

  void encode_groups(const std::map<std::string, HeardInputs>& heard) {
    for (const Weight& weight : spec_.weights)
      if (heard.contains(weight.group)) encode(weight, heard);
  }

  void encode_blocks() {
    ActivationStore ours = at_the_start(walk(), start_.calibration);
    std::optional<ActivationStore> original;
    if (way_.asymmetry > 0) original.emplace(at_the_start(start_.opened.walk(), start_.calibration));
    for (std::size_t b = 1; b < spec_.blocks.size(); ++b) {
      const std::vector<InputGroup> groups = input_groups(spec_, spec_.blocks[b]);
      if (way_.front == Way::Front::kBlocks)
        encode_groups(heard(b, groups, ours, original));
      else
        for (const InputGroup& group : groups) encode_groups(heard(b, {group}, ours, original));
      if (b + 1 == spec_.blocks.size()) break;
      run_block(walk(), b, ours);
      if (original) run_block(start_.opened.walk(), b, *original);
    }
  }

  std::map<std::string, HeardInputs> heard(std::size_t block, const std::vector<InputGroup>& groups,
                                           const ActivationStore& ours,
                                           const std::optional<ActivationStore>& original) const {
    if (!original) return heard_inputs(block, groups, {walk(), ours}, nullptr);
    const TextWalk beside{start_.opened.walk(), *original};
    return heard_inputs(block, groups, {walk(), ours}, &beside);
  }

  void encode(const Weight& weight, const std::map<std::string, HeardInputs>& heard) {
    const auto codec = start_.codecs.find(weight.tensor);
    if (codec == start_.codecs.end() || weights_.replaces(weight.tensor)) return;
    Matrix rows = start_.opened.source.weights.read(weight);
    InputContext inputs;
    if (const auto known = heard.find(weight.group); known != heard.end()) {
      const Hessian& hessian = known->second.hessian;
      std::vector<double> moments;
      for (std::size_t i = 0; i < hessian.columns; ++i) moments.push_back(static_cast<double>(hessian.at(i, i)));
      inputs = input_context(moments, factorise(hessian));
      if (!known->second.cross.empty())
        rows = part_of_the_way(
            rows, moved_rows(rows.view(), asymmetric_correction(known->second, way_.ridge), start_.opened.pool()),
            way_.asymmetry);
    }
    weights_.replace(weight.tensor, packed(weight, rows, *codec->second, inputs));
  }

  PackedTensor packed(const Weight& weight, const Matrix& rows, const Codec& codec, const InputContext& inputs) const {
    const ExportedWeight as_it_is{.weight = 0, .name = weight.tensor};
    PackedTensor whole(codec, {rows.rows(), rows.cols()});
    const std::vector<RowTask> tasks = row_tasks(weight, as_it_is, codec);
    start_.opened.pool().run(tasks.size(), [&](std::size_t i) {
      PackedTensor part(codec, {tasks[i].count, rows.cols()});
      way_.encode(inputs, {rows.row(tasks[i].first).data(), tasks[i].count, rows.cols(), rows.cols()}, part);
      whole.put_rows(tasks[i].first, part);
    });
    return whole;
  }

  const Start& start_;
  const Way& way_;
  const ModelSpec& spec_;
  ReplacedWeights weights_;
};

std::map<std::string, const Codec*> codecs_of(const Opened& opened, const std::string& format) {
  std::map<std::string, const Codec*> codecs;
  if (const Codec* codec = find_codec(format)) {
    for (const Weight& weight : opened.source.spec.weights)
      if (weight.layer >= 0 && !weight.group.empty() && !keeps_precision(weight)) codecs[weight.tensor] = codec;
    return codecs;
  }
  const Plan plan = opened.plan({"known", "known"}, &best_optimizer(Optimizer::Needs::kHessian));
  for (const OutputTensor& tensor : output_tensors(plan, opened.source.spec, opened.names))
    codecs[tensor.weight.tensor] = find_codec(tensor.step.codec);
  return codecs;
}

std::map<std::string, HeardInputs> original_inputs(const Opened& opened, const Windows& windows) {
  std::map<std::string, HeardInputs> all;
  const ModelSpec& spec = opened.source.spec;
  ActivationStore hidden = at_the_start(opened.walk(), windows);
  for (std::size_t b = 1; b < spec.blocks.size(); ++b) {
    all.merge(heard_inputs(b, input_groups(spec, spec.blocks[b]), {opened.walk(), hidden}, nullptr));
    if (b + 1 < spec.blocks.size()) run_block(opened.walk(), b, hidden);
  }
  return all;
}

std::size_t count_of(const std::string& text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count == 0)
    fail(ErrorCode::kUsage, "{} is no number of windows", text);
  return count;
}

void run(const std::vector<std::string>& arguments) {
  CompressOptions options;
  options.calibration_text = arguments[0];
  options.input = arguments[3];
  const std::string& format = arguments[4];
  options.scheme = find_codec(format) ? "q4_k_m" : format;
  Observer observer;
  const Opened opened(options, observer);
  const Tokenizer& tokenizer = opened.tokenizer.get();
  Start start{opened,
              codecs_of(opened, format),
              make_windows(tokenizer, split_text(load_text(arguments[0])).calibration, kWindow, count_of(arguments[1])),
              {}};
  start.original = original_inputs(opened, start.calibration);
  const Windows evaluation = make_windows(tokenizer, load_text(arguments[2]), kWindow, kEvaluationWindows);
  const ActivationStore rows = final_hidden(opened.walk(), evaluation, UINT64_MAX, observer);
  for (std::size_t i = 5; i < arguments.size(); ++i) {
    const Encoding encoding(start, way_named(arguments[i]));
    const ActivationStore theirs = final_hidden(encoding.walk(), evaluation, UINT64_MAX, observer);
    const Estimate kld = summarise(compare(opened.walk(), rows, encoding.walk(), theirs, evaluation)).mean_kld;
    fmt::print("{} {:.5f} {:.5f}\n", arguments[i], kld.value, kld.standard_error);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  if (argc < 7) {
    fmt::print(stderr, "usage: quern_encoder_steps CALIBRATION WINDOWS EVALUATION MODEL FORMAT STEP...\n");
    return 2;
  }
  try {
    quern::run({argv + 1, argv + argc});
    return 0;
  } catch (const quern::Error& error) {
    fmt::print(stderr, "quern_encoder_steps: {}\n", error.what());
    return 1;
  }
}
