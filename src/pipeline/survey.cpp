// One measurement a tensor, one error for each of its codecs.
#include "pipeline/survey.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "pipeline/sensitivity.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr double kProbeBits = 3.5;  // coarse enough to stand out of the noise, fine enough for errors to add up
constexpr double kMostLoss = 0.2;   // of the weighted energy

struct Candidate {
  std::size_t step = 0;
  RowLayout layout;
  std::vector<const Codec*> codecs;
  std::vector<EncodeError> errors;   // of each
  std::optional<std::size_t> probe;  // index into codecs; none where the stored one is the only one
  const Codec* planned = nullptr;    // an option whatever it loses
};

const Codec& stored_codec(const SurveyInput& in, const PlanStep& step, const StepSource& source) {
  const Codec* codec = find_codec(source.encoding);
  if (!codec)
    fail(ErrorCode::kInput, "{}: tensor {} is stored in a number format that cannot be decoded to weights",
         in.encode.source.path().string(), step.tensor);
  return *codec;
}

// The codec nearest to kProbeBits. The stored one, which changes nothing, would tell nothing.
std::optional<std::size_t> probe_of(const std::vector<const Codec*>& codecs, const Codec& stored) {
  std::optional<std::size_t> best;
  const auto distance = [&](std::size_t i) { return std::abs(codecs[i]->bits_per_weight - kProbeBits); };
  for (std::size_t i = 0; i < codecs.size(); ++i)
    if (codecs[i] != &stored && (!best || distance(i) < distance(*best))) best = i;
  return best;
}

std::vector<Candidate> candidates_of(const SurveyInput& in, const std::vector<StepSource>& sources) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < in.plan.steps.size(); ++i) {
    const Weight& weight = in.encode.spec.weights[in.encode.names.weights[i].weight];
    if (keeps_precision(weight)) continue;
    const Codec& stored = stored_codec(in, in.plan.steps[i], sources[i]);
    Candidate candidate{i, sources[i].layout, codecs_to_try(in.format, sources[i].layout.cols, stored), {}, {}};
    candidate.planned = find_codec(in.plan.steps[i].codec);
    if (std::ranges::find(candidate.codecs, candidate.planned) == candidate.codecs.end())
      candidate.codecs.push_back(candidate.planned);
    candidate.probe = probe_of(candidate.codecs, stored);
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
    errors[i] = encode_rows(rows, step, rows.moments(in.encode.statistics, task.expert), task).error;
  });
  candidate.errors.resize(count);
  for (std::size_t i = 0; i < errors.size(); ++i) candidate.errors[i % count] += errors[i];
}

// The plan whose matrices are what is measured alone, and all else as the source has it.
Plan probe_plan(const Plan& base, const std::vector<StepSource>& sources, const std::vector<Candidate>& candidates) {
  Plan plan = base;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) plan.steps[i].codec = sources[i].encoding;
  for (const Candidate& candidate : candidates)
    if (candidate.probe) plan.steps[candidate.step].codec = candidate.codecs[*candidate.probe]->name;
  return plan;
}

StepOptions options_of(const Candidate& candidate, const std::vector<StepHarm>& harms) {
  StepOptions options{candidate.step, {}};
  double by_error = 0;
  if (candidate.probe) {
    const auto harm = std::ranges::find(harms, candidate.step, &StepHarm::step);
    ensure(harm != harms.end(), "step {} was not measured", candidate.step);
    const double of_probe = candidate.errors[*candidate.probe].weighted;
    options.probe = candidate.codecs[*candidate.probe];
    options.probe_kld = std::max(0.0, harm->kld);
    by_error = of_probe > 0 ? options.probe_kld / of_probe : 0.0;
  }
  for (std::size_t c = 0; c < candidate.codecs.size(); ++c) {
    const Codec& codec = *candidate.codecs[c];
    if (candidate.errors[c].relative_weighted() > kMostLoss && &codec != candidate.planned) continue;
    options.options.push_back({&codec, codec.stored_bytes(candidate.layout.rows, candidate.layout.cols),
                               by_error * candidate.errors[c].weighted});
  }
  return options;
}

}  // namespace

std::vector<StepOptions> survey(const SurveyInput& in) {
  const std::vector<StepSource> sources = step_sources(in.encode.spec, in.encode.names, in.encode.source);
  std::vector<Candidate> candidates = candidates_of(in, sources);
  const std::vector<StepHarm> harms =
      measure_harms(in.encode, probe_plan(in.plan, sources, candidates), in.windows, in.setup);
  in.encode.observer.stage("try number formats", candidates.size());
  std::vector<StepOptions> all;
  for (Candidate& candidate : candidates) {
    check_interrupted(in.encode.observer);
    measure_errors(in, candidate);
    StepOptions options = options_of(candidate, harms);
    in.encode.observer.advance(
        fmt::format("{}: {} number formats", in.plan.steps[candidate.step].output, options.options.size()));
    if (!options.options.empty()) all.push_back(std::move(options));
  }
  return all;
}

}  // namespace quern
