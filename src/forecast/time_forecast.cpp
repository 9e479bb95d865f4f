// Times scale with weights and windows: layers are alike enough for one to stand for all by its number of weights.
#include "forecast/time_forecast.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/elapsed.h"
#include "base/sha256.h"
#include "compress/calibrated.h"
#include "compress/planned.h"
#include "plan/size_plan.h"
#include "quern/error.h"
#include "runtime/head.h"
#include "survey/survey.h"

namespace quern {
namespace {

// Of calibrating in sequence, in calibrations: two models, and a part of each block once more for every group of
// inputs.
constexpr double kSequenceCost = 5;

constexpr std::uint64_t kWidestFactorised = 4096;         // columns: half a second
constexpr double kHessianCost = 1.8;                      // of collecting them, over second moments alone
constexpr int kRepeats = 2;                               // the first of them meets cold memory
constexpr double kMeasuredPasses = 2;                     // rows are encoded to measure them, then to write them
constexpr std::size_t kHashBytes = std::size_t{4} << 20;  // enough for a steady rate

// Of the fastest of kRepeats runs.
template <typename Body>
double seconds_of(Body body) {
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const double seconds = seconds_since(start);
    best = i ? std::min(best, seconds) : seconds;
  }
  return best;
}

// Codecs that the plan or its survey encodes with.
std::vector<const Codec*> codecs_needed(const Opened& opened, const Plan& plan, const Weight& largest,
                                        std::uint64_t cols) {
  std::vector<const Codec*> needed;
  for (const PlanStep& step : plan.steps) needed.push_back(find_codec(step.codec));
  if (opened.searches())
    if (const Codec* source = find_decoder(opened.source.weights.stored(largest).encoding))
      std::ranges::copy(codecs_to_try(opened.format, cols, *source, search_reach(opened)), std::back_inserter(needed));
  std::ranges::sort(needed);
  const auto again = std::ranges::unique(needed);
  needed.erase(again.begin(), again.end());
  return needed;
}

// What codes are most likely to be chosen by.
Optimizer::Needs known_of(const Opened& opened, const CompressTexts& texts) {
  if (wants_hessians(opened, texts)) return Optimizer::Needs::kHessian;
  return opened.calibrates() ? Optimizer::Needs::kMoments : Optimizer::Needs::kNothing;
}

// Columns that count alike: what they are does not change the time that encoding takes.
InputContext alike(std::uint64_t cols, Optimizer::Needs known) {
  const std::vector<double> moments(known == Optimizer::Needs::kNothing ? 0 : cols, 1.0);
  if (known != Optimizer::Needs::kHessian) return input_context(moments);
  Hessian hessian{cols, 100 * cols, std::vector<float>(Hessian::elements(cols))};
  for (std::size_t i = 0; i < cols; ++i) hessian.upper[Hessian::row_begin(i, cols)] = 1;
  return input_context(moments, factorise(hessian));
}

// The largest matrix, of those that are not too wide to factorise a Hessian for where one is needed.
OutputTensor timed_tensor(const Opened& opened, const Plan& plan, Optimizer::Needs known) {
  const std::vector<OutputTensor> tensors = output_tensors(plan, opened.source.spec, opened.names);
  const OutputTensor* largest = &tensors.front();
  for (const OutputTensor& tensor : tensors) {
    const bool is_too_wide = known == Optimizer::Needs::kHessian && tensor.layout().cols > kWidestFactorised;
    if (!is_too_wide && tensor.step.parameters > largest->step.parameters) largest = &tensor;
  }
  return *largest;
}

// A few rows of a large matrix, encoded as each codec.
void time_encoding(const Opened& opened, const CompressTexts& texts, const Plan& plan, WorkRates& rates) {
  const Optimizer::Needs known = known_of(opened, texts);
  const OutputTensor timed = timed_tensor(opened, plan, known);
  const ExportedRows rows(opened.source.weights, timed);
  std::vector<RowTask> tasks = row_tasks(rows);
  tasks.resize(std::min<std::size_t>(tasks.size(), opened.pool().threads()));
  std::uint64_t weights = 0;
  for (const RowTask& task : tasks) weights += task.count * rows.layout().cols;
  const auto seconds_a_weight = [&](auto body) {
    return seconds_of([&] { opened.pool().run(tasks.size(), [&](std::size_t i) { body(tasks[i]); }); }) /
           static_cast<double>(weights);
  };
  rates.read = seconds_a_weight([&](const RowTask& task) { rows.rows(task.first, task.count); });
  const bool is_factorised = known != Optimizer::Needs::kHessian || rows.layout().cols <= kWidestFactorised;
  const InputContext inputs = alike(rows.layout().cols, is_factorised ? known : Optimizer::Needs::kMoments);
  PlanStep step = timed.step;
  step.optimizer = best_optimizer(known).name;
  for (const Codec* codec : codecs_needed(opened, plan, timed.weight, rows.layout().cols)) {
    if (!codec->divides(rows.layout().cols)) continue;
    step.codec = codec->name;
    rates.encode[codec->name] =
        seconds_a_weight([&](const RowTask& task) { packed_sums(encode_rows(rows, step, inputs, task).packed); }) *
        (codec->is_measured() ? kMeasuredPasses : 1);
  }
}

// So many windows of any text, the same ones again where it has fewer; none without a text.
Windows some_windows(const CompressTexts& texts, std::size_t count) {
  for (const std::optional<CutText>* text : {&texts.calibration, &texts.gate, &texts.report}) {
    if (!*text || (*text)->windows.count() == 0) continue;
    const Windows& all = (*text)->windows;
    Windows some{.length = all.length, .ids = {}};
    for (std::size_t i = 0; i < count; ++i)
      std::ranges::copy(all.window(i % all.count()), std::back_inserter(some.ids));
    return some;
  }
  return {};
}

struct RoundTimes {
  double once = 0, round = 0;
};

// From the times of one and of two rounds.
RoundTimes split(double one, double two) {
  const double round = std::max(two - one, one / 2);  // were laying out free, two rounds would take twice as long
  return {std::max(0.0, one - round), round};
}

void time_passes(const Opened& opened, const CompressTexts& texts, WorkRates& rates) {
  const std::size_t threads = opened.pool().threads();
  const Windows one = some_windows(texts, threads), two = some_windows(texts, 2 * threads);
  if (!opened.source.can_run() || two.count() == 0) return;
  const ModelSpec& spec = opened.source.spec;
  const std::size_t block = std::max<std::size_t>(1, (spec.blocks.size() - 1) / 2);
  const WalkContext walk = opened.walk();
  const auto through_layer = [&](const Windows& windows) {
    ActivationStore hidden = embed_windows(walk, windows, opened.setup.memory_limit);
    return seconds_of([&] {
      if (block + 1 < spec.blocks.size()) run_block(walk, block, hidden);
    });
  };
  const auto through_head = [&](const Windows& windows) {
    const ActivationStore rows =
        scored_rows(embed_windows(walk, windows, opened.setup.memory_limit), opened.setup.memory_limit);
    return seconds_of([&] { compare(walk, rows, walk, rows, windows); });
  };
  const auto weights =
      static_cast<double>(std::max<std::uint64_t>(1, weights_from(spec, block) - weights_from(spec, block + 1)));
  const RoundTimes layer = split(through_layer(one), through_layer(two));
  const RoundTimes head = split(through_head(one), through_head(two));
  rates.layer = layer.once / weights;
  rates.layer_round = layer.round / weights;
  rates.head = head.once;
  rates.head_round = head.round;
}

// Below so many bits a weight, about, errors do not add up (llama-30m: 4.2, llama-7m: 4.8) and matrices are measured
// together as well: 57 walks instead of 34 for llama-30m.
constexpr double kCoarseBits = 4.5, kTogether = 57.0 / 34;

// Arithmetic over one model.
struct Work {
  const Opened& opened;
  const CompressTexts& texts;
  const Plan& plan;
  const WorkRates& rates;

  double rounds(std::size_t windows) const {
    const std::size_t threads = opened.pool().threads();
    return static_cast<double>((windows + threads - 1) / threads);
  }
  // From block `from` to the head.
  double pass(std::size_t windows, std::size_t from = 0) const {
    return static_cast<double>(weights_from(opened.source.spec, from)) *
           (rates.layer + rounds(windows) * rates.layer_round);
  }
  double heads(std::size_t windows) const { return rates.head + rounds(windows) * rates.head_round; }
  double encoding(const std::string& codec) const {
    const auto known = rates.encode.find(codec);
    return known == rates.encode.end() ? rates.read : known->second;
  }

  double survey(SurveyWalks walks) const {
    const SurveyDesign& design = texts.survey->design;
    const double head = heads(design.windows) / 2;  // of one model
    const std::uint64_t tried = wants_hessians(opened, texts) ? WeightsTried{}.by_feedback : WeightsTried{}.by_rounding;
    double seconds = pass(design.windows) + 2 * head, tries = 0;
    for (const StepGroup& group : design.groups)
      seconds +=
          head + pass(design.windows, first_block_of(opened.source.spec, opened.names.weights[group.front()].weight));
    for (const StepGroup& group : design.groups)
      for (const std::size_t step : group)
        for (const auto& [codec, rate] : rates.encode)
          tries += rate * static_cast<double>(std::min(plan.steps[step].parameters, tried));
    if (walks == SurveyWalks::kAlone) return seconds + tries;
    if (design.is_banded) return seconds + tries + encode_alone() + 2 * pass(design.windows) + 3 * head;
    return (seconds + tries) * kTogether;
  }

  // Two ways of choosing codes, measured on the windows of a survey: one more encoding than the files take. After a
  // survey for a size the original was walked already, and the other way is rounding, which takes next to nothing.
  double choice() const {
    const std::size_t windows = texts.survey->design.windows;
    const double measured = 2 * (pass(windows) + heads(windows));
    return opened.options.size ? measured : encode_alone() + pass(windows) + measured;
  }

  // Of the model's files, each by one thread.
  double hash_source() const {
    std::uint64_t largest = 0;
    for (const SourceFile& file : opened.source.checkpoint.files()) largest = std::max(largest, file.bytes);
    return rates.hash * static_cast<double>(std::max(largest, opened.source.file_bytes() / opened.pool().threads()));
  }
  double check() const {
    std::uint64_t weights = 0;
    for (const PlanStep& step : plan.steps) weights += step.parameters;
    return rates.read * static_cast<double>(weights);
  }

  double encode_alone() const {
    double seconds = 0;
    for (const PlanStep& step : plan.steps) seconds += encoding(step.codec) * static_cast<double>(step.parameters);
    return seconds;
  }
  double hash_output() const { return static_cast<double>(plan.tensor_bytes()) * rates.hash; }
  // Threads take turns at hashing; no file is done before one thread could hash it.
  double encode_beside_hashing(double source) const {
    const double hashing = rates.hash * source + hash_output();
    const double together = encode_alone() + hashing / static_cast<double>(opened.pool().threads());
    return std::max({together, source > 0 ? hash_source() : 0.0, hash_output()});
  }
};

}  // namespace

WorkRates measure_rates(const Opened& opened, const CompressTexts& texts, const Plan& plan) {
  WorkRates rates;
  const std::vector<std::byte> bytes(kHashBytes);
  rates.hash = seconds_of([&] { sha256_of(bytes); }) / static_cast<double>(kHashBytes);
  time_encoding(opened, texts, plan, rates);
  time_passes(opened, texts, rates);
  return rates;
}

SurveyWalks likely_walks(const Opened& opened) {
  if (!opened.options.size) return SurveyWalks::kAlone;
  const double bits = 8 * static_cast<double>(most_bytes(opened)) / static_cast<double>(opened.source.parameters());
  return bits < kCoarseBits ? SurveyWalks::kTogether : SurveyWalks::kAlone;
}

std::optional<TimeForecast> expected_time(const Opened& opened, const CompressTexts& texts, const Plan& plan,
                                          SurveyWalks walks) {
  // What is learned of whole tensors takes a time that no few rows tell.
  if (search_reach(opened) == Reach::kAll) return std::nullopt;
  try {
    return forecast_time(opened, texts, plan, measure_rates(opened, texts, plan), walks);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    return std::nullopt;
  }
}

Json to_json(const TimeForecast& time) {
  return Json::object({{"read", time.read},
                       {"calibrate", time.calibrate},
                       {"survey", time.survey},
                       {"encode", time.encode},
                       {"measure", time.measure},
                       {"total", time.total()}});
}

TimeForecast forecast_time(const Opened& opened, const CompressTexts& texts, const Plan& plan, const WorkRates& rates,
                           SurveyWalks walks) {
  const Work work{opened, texts, plan, rates};
  const bool has_bound = opened.options.bound.is_set(), feeds_back = wants_hessians(opened, texts),
             hashes_first = feeds_back;  // which names the store of Hessians
  TimeForecast times;
  times.read = (computes_before_encoding(opened, texts) ? work.check() : 0) + (hashes_first ? work.hash_source() : 0);
  if (texts.calibration)
    times.calibrate = work.pass(texts.calibration->windows.count()) * (feeds_back ? kHessianCost : 1);
  if (opened.options.size && texts.survey) times.survey = work.survey(walks);
  if (feeds_back && texts.survey && opened.measures_optimizers()) times.survey += work.choice();
  if (opened.options.sequence == CompressOptions::Sequence::kMeasure)
    times.survey += kSequenceCost * times.calibrate + work.choice();
  const double beside = hashes_first ? 0 : static_cast<double>(opened.source.file_bytes());
  times.encode = has_bound ? work.encode_alone() + work.hash_output() + (hashes_first ? 0 : work.hash_source())
                           : work.encode_beside_hashing(beside);
  for (const std::optional<CutText>* text : {&texts.report, has_bound ? &texts.gate : nullptr})
    if (text && *text) {
      const std::size_t windows = (*text)->windows.count();
      times.measure += 2 * work.pass(windows) + work.heads(windows);
    }
  return times;
}

}  // namespace quern
