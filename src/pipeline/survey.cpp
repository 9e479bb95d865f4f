// One measurement a tensor, one error for each of its codecs.
#include "pipeline/survey.h"

#include <algorithm>
#include <cmath>

#include "pipeline/sensitivity.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr double kProbeBits = 3.5;  // coarse enough to stand out of the noise, fine enough for errors to add up
constexpr double kMostLoss = 0.2;   // of the weighted energy

struct Candidate {
  std::size_t step = 0;
  std::vector<const Codec*> codecs;
  std::vector<EncodeError> errors;  // of each
  std::size_t probe = 0;            // index into codecs
};

const Codec& stored_codec(const SurveyInput& in, const Weight& weight) {
  const Codec* codec = find_codec(stored_encoding(in.encode.source, weight));
  if (!codec)
    fail(ErrorCode::kInput, "{}: tensor {} is stored in a number format that cannot be decoded to weights",
         in.encode.source.path().string(), weight.tensor);
  return *codec;
}

std::vector<Candidate> candidates_of(const SurveyInput& in) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < in.plan.steps.size(); ++i) {
    const ExportedWeight& exported = in.encode.names.weights[i];
    const Weight& weight = in.encode.spec.weights[exported.weight];
    if (weight.axes.size() < 2 || keeps_precision(weight)) continue;
    const std::uint64_t cols = row_layout(exported.output_shape(weight)).cols;
    Candidate candidate{i, codecs_to_try(in.format, cols, stored_codec(in, weight)), {}, 0};
    if (candidate.codecs.empty()) continue;  // the plan's own word stands
    const auto distance = [](const Codec* codec) { return std::abs(codec->bits_per_weight - kProbeBits); };
    candidate.probe =
        static_cast<std::size_t>(std::ranges::min_element(candidate.codecs, {}, distance) - candidate.codecs.begin());
    all.push_back(std::move(candidate));
  }
  return all;
}

void measure_errors(const SurveyInput& in, Candidate& candidate) {
  const WeightSource source(in.encode.source);
  const ExportedWeight& exported = in.encode.names.weights[candidate.step];
  const Weight& weight = in.encode.spec.weights[exported.weight];
  const ExportedRows rows(source, weight, exported);
  const std::vector<RowTask> tasks = row_tasks(rows);
  const std::size_t count = candidate.codecs.size();
  std::vector<EncodeError> errors(tasks.size() * count);
  in.encode.pool.run(tasks.size() * count, [&](std::size_t i) {
    PlanStep step = in.plan.steps[candidate.step];
    step.codec = candidate.codecs[i % count]->name;
    const RowTask& task = tasks[i / count];
    errors[i] = encode_rows(rows, step, moments_of(in.encode.statistics, weight, task.expert), task).error;
  });
  candidate.errors.resize(count);
  for (std::size_t i = 0; i < errors.size(); ++i) candidate.errors[i % count] += errors[i];
}

// The plan whose matrices are what is measured alone, and all else as the source has it.
Plan probe_plan(const SurveyInput& in, const std::vector<Candidate>& candidates) {
  Plan plan = in.plan;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    plan.steps[i].codec = stored_encoding(in.encode.source, in.encode.spec.weights[in.encode.names.weights[i].weight]);
  for (const Candidate& candidate : candidates)
    plan.steps[candidate.step].codec = candidate.codecs[candidate.probe]->name;
  return plan;
}

StepOptions options_of(const SurveyInput& in, const Candidate& candidate, double harm) {
  const ExportedWeight& exported = in.encode.names.weights[candidate.step];
  const RowLayout layout = row_layout(exported.output_shape(in.encode.spec.weights[exported.weight]));
  const double of_probe = candidate.errors[candidate.probe].weighted;
  const double by_error = of_probe > 0 ? std::max(0.0, harm) / of_probe : 0.0;
  StepOptions options{candidate.step, {}};
  for (std::size_t c = 0; c < candidate.codecs.size(); ++c) {
    const Codec& codec = *candidate.codecs[c];
    if (candidate.errors[c].relative_weighted() > kMostLoss) continue;
    options.options.push_back(
        {&codec, codec.stored_bytes(layout.rows, layout.cols), by_error * candidate.errors[c].weighted});
  }
  return options;
}

}  // namespace

std::vector<StepOptions> survey(const SurveyInput& in) {
  std::vector<Candidate> candidates = candidates_of(in);
  const std::vector<StepHarm> harms = measure_harms(in.encode, probe_plan(in, candidates), in.windows, in.setup);
  in.encode.observer.stage("try number formats", candidates.size());
  std::vector<StepOptions> all;
  for (Candidate& candidate : candidates) {
    check_interrupted(in.encode.observer);
    measure_errors(in, candidate);
    const auto harm = std::ranges::find(harms, candidate.step, &StepHarm::step);
    StepOptions options = options_of(in, candidate, harm == harms.end() ? 0.0 : harm->kld);
    in.encode.observer.advance(
        fmt::format("{}: {} number formats", in.plan.steps[candidate.step].output, options.options.size()));
    if (!options.options.empty()) all.push_back(std::move(options));
  }
  return all;
}

}  // namespace quern
