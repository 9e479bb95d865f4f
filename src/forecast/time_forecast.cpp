// Times scale with weights and windows: layers are alike enough for one to stand for all by its number of weights.
#include "forecast/time_forecast.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/sha256.h"
#include "compress/sizing.h"
#include "plan/size_plan.h"
#include "quern/error.h"
#include "runtime/head.h"
#include "survey/survey.h"

namespace quern {
namespace {

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
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = i ? std::min(best, seconds) : seconds;
  }
  return best;
}

// Codecs that the plan or its survey encodes with.
std::vector<const Codec*> codecs_needed(const Preparation& prep, const Plan& plan, const Weight& largest,
                                        std::uint64_t cols) {
  std::vector<const Codec*> needed;
  for (const PlanStep& step : plan.steps) needed.push_back(find_codec(step.codec));
  if (prep.options.size)
    if (const Codec* source = find_codec(prep.source.weights.stored(largest).encoding))
      std::ranges::copy(codecs_to_try(prep.format, cols, *source), std::back_inserter(needed));
  std::ranges::sort(needed);
  const auto again = std::ranges::unique(needed);
  needed.erase(again.begin(), again.end());
  return needed;
}

// A few rows of the largest matrix, encoded as each codec.
void time_encoding(Preparation& prep, const Plan& plan, WorkRates& rates) {
  const auto largest = std::ranges::max_element(plan.steps, {}, &PlanStep::parameters);
  const ExportedWeight& exported = prep.names.weights[static_cast<std::size_t>(largest - plan.steps.begin())];
  const Weight& weight = prep.source.spec.weights[exported.weight];
  const ExportedRows rows(prep.source.weights, weight, exported);
  std::vector<RowTask> tasks = row_tasks(rows);
  tasks.resize(std::min<std::size_t>(tasks.size(), prep.pool.threads()));
  std::uint64_t weights = 0;
  for (const RowTask& task : tasks) weights += task.count * rows.layout().cols;
  rates.read = seconds_of([&] {
                 prep.pool.run(tasks.size(), [&](std::size_t i) { rows.rows(tasks[i].first, tasks[i].count); });
               }) /
               static_cast<double>(weights);
  const InputContext alike = input_context(std::vector<double>(prep.calibrates() ? rows.layout().cols : 0, 1.0));
  for (const Codec* codec : codecs_needed(prep, plan, weight, rows.layout().cols)) {
    if (!codec->divides(rows.layout().cols)) continue;
    PlanStep step = *largest;
    step.codec = codec->name;
    rates.encode[codec->name] = seconds_of([&] {
                                  prep.pool.run(tasks.size(), [&](std::size_t i) {
                                    packed_sums(encode_rows(rows, step, alike, tasks[i]).packed);
                                  });
                                }) /
                                static_cast<double>(weights);
    if (codec->is_measured()) rates.encode[codec->name] *= kMeasuredPasses;
  }
}

// So many windows of any text, the same ones again where it has fewer; none without a text.
Windows some_windows(const Preparation& prep, std::size_t count) {
  for (const std::optional<Windows>* text : {&prep.texts.calibration, &prep.texts.gate, &prep.texts.report}) {
    if (!*text || (*text)->count() == 0) continue;
    Windows some{.length = (*text)->length, .ids = {}};
    for (std::size_t i = 0; i < count; ++i)
      std::ranges::copy((*text)->window(i % (*text)->count()), std::back_inserter(some.ids));
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

void time_passes(Preparation& prep, WorkRates& rates) {
  const std::size_t threads = prep.pool.threads();
  const Windows one = some_windows(prep, threads), two = some_windows(prep, 2 * threads);
  if (!prep.source.can_run() || two.count() == 0) return;
  const ModelSpec& spec = prep.source.spec;
  const std::size_t block = std::max<std::size_t>(1, (spec.blocks.size() - 1) / 2);
  const WalkContext walk = prep.walk();
  const auto through_layer = [&](const Windows& windows) {
    ActivationStore hidden = embed_windows(walk, windows, prep.setup.memory_limit);
    return seconds_of([&] {
      if (block + 1 < spec.blocks.size()) run_block(walk, block, hidden);
    });
  };
  const auto through_head = [&](const Windows& windows) {
    const ActivationStore rows =
        scored_rows(embed_windows(walk, windows, prep.setup.memory_limit), prep.setup.memory_limit);
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
  const Preparation& prep;
  const Plan& plan;
  const WorkRates& rates;

  double rounds(std::size_t windows) const {
    const std::size_t threads = prep.pool.threads();
    return static_cast<double>((windows + threads - 1) / threads);
  }
  // From block `from` to the head.
  double pass(std::size_t windows, std::size_t from = 0) const {
    return static_cast<double>(weights_from(prep.source.spec, from)) *
           (rates.layer + rounds(windows) * rates.layer_round);
  }
  double heads(std::size_t windows) const { return rates.head + rounds(windows) * rates.head_round; }
  double encoding(const std::string& codec) const {
    const auto known = rates.encode.find(codec);
    return known == rates.encode.end() ? rates.read : known->second;
  }

  double survey(SurveyWalks walks) const {
    const SurveyDesign design = survey_design(prep);
    const double head = heads(design.windows) / 2;  // of one model
    double seconds = pass(design.windows) + 2 * head, tries = 0;
    for (const StepGroup& group : design.groups)
      seconds +=
          head + pass(design.windows, first_block_of(prep.source.spec, prep.names.weights[group.front()].weight));
    for (const StepGroup& group : design.groups)
      for (const std::size_t step : group)
        for (const auto& [codec, rate] : rates.encode)
          tries += rate * static_cast<double>(std::min(plan.steps[step].parameters, kWeightsTried));
    if (walks == SurveyWalks::kAlone) return seconds + tries;
    if (design.is_banded) return seconds + tries + encode_alone() + 2 * pass(design.windows) + 3 * head;
    return (seconds + tries) * kTogether;
  }

  // Of the model's files, each by one thread.
  double hash_source() const {
    std::uint64_t largest = 0;
    for (const SourceFile& file : prep.source.checkpoint.files()) largest = std::max(largest, file.bytes);
    return rates.hash * static_cast<double>(std::max(largest, prep.source.file_bytes() / prep.pool.threads()));
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
    const double together = encode_alone() + hashing / static_cast<double>(prep.pool.threads());
    return std::max({together, source > 0 ? hash_source() : 0.0, hash_output()});
  }
};

}  // namespace

WorkRates measure_rates(Preparation& prep, const Plan& plan) {
  WorkRates rates;
  const std::vector<std::byte> bytes(kHashBytes);
  rates.hash = seconds_of([&] { sha256_of(bytes); }) / static_cast<double>(kHashBytes);
  time_encoding(prep, plan, rates);
  time_passes(prep, rates);
  return rates;
}

SurveyWalks likely_walks(const Preparation& prep) {
  if (!prep.options.size) return SurveyWalks::kAlone;
  const double bits = 8 * static_cast<double>(most_bytes(prep)) / static_cast<double>(prep.source.parameters());
  return bits < kCoarseBits ? SurveyWalks::kTogether : SurveyWalks::kAlone;
}

std::optional<TimeForecast> expected_time(Preparation& prep, const Plan& plan, SurveyWalks walks) {
  try {
    return forecast_time(prep, plan, measure_rates(prep, plan), walks);
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

TimeForecast forecast_time(const Preparation& prep, const Plan& plan, const WorkRates& rates, SurveyWalks walks) {
  const Work work{prep, plan, rates};
  TimeForecast times;
  times.read = (prep.runs_first() ? work.check() : 0) + (prep.hashes_first() ? work.hash_source() : 0);
  if (prep.texts.calibration) times.calibrate = work.pass(prep.texts.calibration->count());
  if (prep.options.size && prep.texts.gate) times.survey = work.survey(walks);
  times.encode =
      prep.options.bound.is_set()
          ? work.encode_alone() + work.hash_output()
          : work.encode_beside_hashing(prep.hashes_first() ? 0 : static_cast<double>(prep.source.file_bytes()));
  for (const std::optional<Windows>* text :
       {&prep.texts.report, prep.options.bound.is_set() ? &prep.texts.gate : nullptr})
    if (text && *text) times.measure += 2 * work.pass((*text)->count()) + work.heads((*text)->count());
  return times;
}

}  // namespace quern
