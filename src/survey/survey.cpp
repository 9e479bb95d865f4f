// One measurement a tensor, one error for each of its codecs.
#include "survey/survey.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/fail.h"
#include "base/interruption.h"
#include "survey/sensitivity.h"

namespace quern {
namespace {

constexpr double kProbeBits = 3.5;  // coarse enough to stand out of the noise, fine enough for errors to add up
constexpr double kMostLoss = 0.2;   // of the weighted energy
constexpr std::uint64_t kSamplePlaces = 16;  // runs of rows that a sample is made of, at least
// Nats, far below what can be measured: of two formats of a matrix that seems to mind nothing, the exacter one is
// better.
constexpr double kLeastHarm = 1e-9;

struct Candidate {
  std::size_t step = 0;
  RowLayout layout;
  const Codec* stored = nullptr;
  std::vector<const Codec*> codecs;
  std::vector<EncodeError> errors;   // of each
  std::optional<std::size_t> probe;  // index into codecs; none where there is nothing to measure
  const Codec* planned = nullptr;    // an option whatever it loses
};

const Codec& stored_codec(const SurveyInput& in, const PlanStep& step, const StepSource& source) {
  const Codec* codec = find_codec(source.encoding);
  if (!codec)
    fail(ErrorCode::kInput, "{}: tensor {} is stored in a number format that cannot be decoded to weights",
         in.encode().source.name(), step.tensor);
  return *codec;
}

// The codec nearest to kProbeBits. One without an error, such as the stored one, would tell nothing.
std::optional<std::size_t> probe_of(const Candidate& candidate) {
  std::optional<std::size_t> best;
  const auto distance = [&](std::size_t i) { return std::abs(candidate.codecs[i]->bits_per_weight - kProbeBits); };
  for (std::size_t i = 0; i < candidate.codecs.size(); ++i)
    if (candidate.codecs[i] != candidate.stored && candidate.errors[i].loss() > 0 &&
        (!best || distance(i) < distance(*best)))
      best = i;
  return best;
}

std::vector<Candidate> candidates_of(const SurveyInput& in, const std::vector<StepSource>& sources) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < in.plan.steps.size(); ++i) {
    const ExportedWeight& output = in.encode().names.weights[i];
    const Weight& weight = in.encode().spec.weights[output.weight];
    if (keeps_precision(weight)) continue;
    const Codec& stored = stored_codec(in, in.plan.steps[i], sources[i]);
    Candidate candidate{i, sources[i].layout, &stored, codecs_to_try(in.format, weight, output, stored), {}, {}};
    candidate.planned = find_codec(in.plan.steps[i].codec);
    if (std::ranges::find(candidate.codecs, candidate.planned) == candidate.codecs.end())
      candidate.codecs.push_back(candidate.planned);
    all.push_back(std::move(candidate));
  }
  return all;
}

// Rows on which codecs are tried: all of a small matrix, of a large one evenly spaced tasks.
struct Sample {
  std::vector<RowTask> tasks;
  std::optional<RowTask> loudest;  // of a large matrix the task with its largest value, which a codec has to hold
  double of_all = 1;               // rows of the matrix over those of the tasks
};

RowTask loudest_of(const SurveyInput& in, const ExportedRows& rows, const std::vector<RowTask>& tasks) {
  std::vector<float> largest(tasks.size());
  in.encode().pool.run(tasks.size(), [&](std::size_t i) {
    const Matrix some = rows.rows(tasks[i].first, tasks[i].count);
    for (const float value : some.flat()) largest[i] = std::max(largest[i], std::abs(value));
  });
  return tasks[static_cast<std::size_t>(std::ranges::max_element(largest) - largest.begin())];
}

// Each in as many parts as it takes to find `tried` weights in several places.
std::vector<RowTask> divided(const std::vector<RowTask>& tasks, std::uint64_t tried, const RowLayout& layout) {
  const std::size_t together = rows_encoded_together(layout.cols);
  const std::size_t wanted = std::max<std::size_t>(1, tried / kSamplePlaces / std::max<std::uint64_t>(1, layout.cols));
  const std::size_t grain = (wanted + together - 1) / together * together;
  std::vector<RowTask> parts;
  for (const RowTask& task : tasks)
    for (std::size_t first = 0; first < task.count; first += grain)
      parts.push_back({task.first + first, std::min(grain, task.count - first), task.expert});
  return parts;
}

Sample sample_of(const SurveyInput& in, const ExportedRows& rows, const Optimizer& optimizer) {
  std::vector<RowTask> all = row_tasks(rows);
  const std::uint64_t weights = rows.layout().rows * rows.layout().cols;
  const bool feeds_back = optimizer.needs == Optimizer::Needs::kHessian;
  const std::uint64_t most = feeds_back ? in.weights_tried_by_feedback : in.weights_tried;
  if (weights <= most) return {all, std::nullopt, 1};
  Sample sample{{}, loudest_of(in, rows, all), 0};
  all = divided(all, most, rows.layout());
  const std::size_t count = std::max<std::size_t>(1, all.size() * most / weights);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < count; ++i) tried += sample.tasks.emplace_back(all[i * all.size() / count]).count;
  sample.of_all = static_cast<double>(rows.layout().rows) / static_cast<double>(tried);
  return sample;
}

// Of each codec on the matrix; not finite where a value exceeds its range.
std::vector<EncodeError> errors_of(const SurveyInput& in, const Candidate& candidate) {
  const ExportedWeight& exported = in.encode().names.weights[candidate.step];
  const Weight& weight = in.encode().spec.weights[exported.weight];
  const ExportedRows rows(in.encode().source, weight, exported);
  const Sample sample = sample_of(in, rows, find_optimizer(in.plan.steps[candidate.step].optimizer));
  std::vector<RowTask> tasks = sample.tasks;
  if (sample.loudest) tasks.push_back(*sample.loudest);
  const std::size_t count = candidate.codecs.size();
  std::vector<EncodeError> errors(tasks.size() * count);
  in.encode().pool.run(tasks.size() * count, [&](std::size_t i) {
    PlanStep step = in.plan.steps[candidate.step];
    step.codec = candidate.codecs[i % count]->name;
    const RowTask& task = tasks[i / count];
    // Of the loudest rows only the range counts: rounding tells it sooner.
    if (i / count == sample.tasks.size()) step.optimizer = best_optimizer(Optimizer::Needs::kNothing).name;
    errors[i] = encode_rows(rows, step, *rows.inputs(in.encode().inputs, task.expert), task).error;
  });
  std::vector<EncodeError> sums(count);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const bool is_in_sample = i / count < sample.tasks.size();
    if (is_in_sample || !std::isfinite(errors[i].plain)) sums[i % count] += errors[i];
  }
  for (EncodeError& sum : sums) sum *= sample.of_all;
  return sums;
}

// Tries the codecs of one matrix, and keeps those whose range its values are in.
void try_codecs(const SurveyInput& in, Candidate& candidate) {
  std::vector<const Codec*> codecs;
  const std::vector<EncodeError> errors = errors_of(in, candidate);
  for (std::size_t c = 0; c < errors.size(); ++c) {
    if (std::isfinite(errors[c].plain) && std::isfinite(errors[c].loss())) {
      codecs.push_back(candidate.codecs[c]);
      candidate.errors.push_back(errors[c]);
    } else {
      in.encode().observer.note(
          fmt::format("{} cannot be stored as {}: it holds values too large for that number format",
                      in.plan.steps[candidate.step].tensor, candidate.codecs[c]->name));
    }
  }
  candidate.codecs = std::move(codecs);
  candidate.probe = probe_of(candidate);
}

// The plan whose matrices are what is measured alone, and all else as the source has it.
Plan probe_plan(const Plan& base, const std::vector<StepSource>& sources, const std::vector<Candidate>& candidates) {
  Plan plan = base;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) plan.steps[i].codec = sources[i].encoding;
  for (const Candidate& candidate : candidates)
    if (candidate.probe) plan.steps[candidate.step].codec = candidate.codecs[*candidate.probe]->name;
  return plan;
}

// What the weighted error of a matrix costs, nats, as its group was measured.
struct Rate {
  const Candidate* candidate = nullptr;
  double kld = 0, by_error = 0;  // of its probe; of a unit of error
};

// Errors of the probes of `steps`, by weight.
std::map<std::size_t, EncodeError> probe_errors(const SurveyInput& in, const std::vector<Candidate>& candidates,
                                                const StepGroup& steps) {
  std::map<std::size_t, EncodeError> of_weights;
  for (const Candidate& candidate : candidates)
    if (candidate.probe && std::ranges::count(steps, candidate.step) > 0)
      of_weights[in.encode().names.weights[candidate.step].weight] += candidate.errors[*candidate.probe];
  return of_weights;
}

// The matrices of one group cost alike by their relative errors: what a layer adds is normed against the states that it
// is added to, which grow from layer to layer. Measured one by one (four reference models, 12 windows), the costs of
// attn.o differ by a factor of 1.2 to 1.4 between layers (standard deviation of the logarithm) by relative error, and
// of 5 to 7 by squared error; of ssm.out 1.3 and 2.7, mlp.down 1.6 and 3.0.
std::vector<Rate> rates_of(const SurveyInput& in, const std::vector<Candidate>& candidates,
                           const std::vector<GroupKld>& measured) {
  std::vector<Rate> rates;
  for (std::size_t g = 0; g < in.groups.size(); ++g) {
    const std::map<std::size_t, EncodeError> all = probe_errors(in, candidates, in.groups[g]);
    const std::map<std::size_t, EncodeError> changed = probe_errors(in, candidates, measured[g].steps);
    for (const Candidate& candidate : candidates) {
      if (!candidate.probe || std::ranges::count(in.groups[g], candidate.step) == 0) continue;
      const double energy = all.at(in.encode().names.weights[candidate.step].weight).energy();
      double errors = 0;  // what this matrix alone would have to lose to cost as much
      for (const auto& [weight, error] : changed) errors += error.loss() * (energy / error.energy());
      if (!(errors > 0)) errors = std::numeric_limits<double>::max();  // nothing was measured
      rates.push_back({&candidate, std::max(0.0, measured[g].kld) / errors * candidate.errors[*candidate.probe].loss(),
                       std::max(kLeastHarm, measured[g].kld) / errors});
    }
  }
  return rates;
}

StepOptions options_of(const Candidate& candidate, const std::vector<Rate>& rates) {
  StepOptions options{candidate.step, {}};
  double by_error = 0;
  if (candidate.probe) {
    const auto rate = std::ranges::find(rates, &candidate, &Rate::candidate);
    ensure(rate != rates.end(), "step {} was not measured", candidate.step);
    options.probe = candidate.codecs[*candidate.probe];
    options.probe_kld = rate->kld;
    by_error = rate->by_error;
  }
  for (std::size_t c = 0; c < candidate.codecs.size(); ++c) {
    const Codec& codec = *candidate.codecs[c];
    if (candidate.errors[c].relative_loss() > kMostLoss && &codec != candidate.planned) continue;
    options.options.push_back({&codec, codec.stored_bytes(candidate.layout.rows, candidate.layout.cols),
                               by_error * candidate.errors[c].loss()});
  }
  return options;
}

}  // namespace

std::vector<StepOptions> survey(const SurveyInput& in) {
  const std::vector<StepSource> sources = step_sources(in.encode().spec, in.encode().names, in.encode().source);
  std::vector<Candidate> candidates = candidates_of(in, sources);
  in.encode().observer.stage("try number formats", candidates.size());
  for (Candidate& candidate : candidates) {
    check_interrupted(in.encode().observer);
    try_codecs(in, candidate);
    in.encode().observer.advance(
        fmt::format("{}: {} number formats", in.plan.steps[candidate.step].output, candidate.codecs.size()));
  }
  const std::vector<Rate> rates =
      rates_of(in, candidates, measure_groups(in.original, probe_plan(in.plan, sources, candidates), in.groups));
  std::vector<StepOptions> all;
  for (const Candidate& candidate : candidates)
    if (StepOptions options = options_of(candidate, rates); !options.options.empty()) all.push_back(std::move(options));
  return all;
}

}  // namespace quern
