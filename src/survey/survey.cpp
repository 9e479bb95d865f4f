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
#include "survey/trials.h"

namespace quern {
namespace {

constexpr double kProbeBits = 3.5;  // coarse enough to stand out of the noise, fine enough for errors to add up
constexpr double kMostLoss = 0.2;   // of the weighted energy
// Nats, far below what can be measured: of two formats of a matrix that seems to mind nothing, the exacter one is
// better.
constexpr double kLeastHarm = 1e-9;

// A matrix, and what it may become.
struct Candidate {
  std::size_t step = 0;
  OutputTensor tensor;
  std::vector<TriedCodec> trials;   // within their range
  std::optional<TriedCodec> probe;  // one of them; none where there is nothing to measure

  const Codec* planned() const { return find_codec(tensor.step.codec); }
};

const Codec& stored_codec(const SurveyInput& in, const OutputTensor& tensor) {
  const Codec* codec = find_decoder(in.encode().source.stored(tensor.weight).encoding);
  if (!codec)
    fail(ErrorCode::kInput, "{}: tensor {} is stored in a number format that cannot be decoded to weights",
         in.encode().source.name(), tensor.step.tensor);
  return *codec;
}

// The codec nearest to kProbeBits. One without an error, such as the stored one, would tell nothing.
std::optional<TriedCodec> probe_of(const std::vector<TriedCodec>& trials, const Codec& stored) {
  std::optional<TriedCodec> best;
  const auto distance = [](const TriedCodec& trial) { return std::abs(trial.codec->bits_per_weight - kProbeBits); };
  for (const TriedCodec& trial : trials)
    if (trial.codec != &stored && trial.error.loss() > 0 && (!best || distance(trial) < distance(*best))) best = trial;
  return best;
}

Candidate candidate_of(const SurveyInput& in, std::size_t step, const OutputTensor& tensor) {
  const Codec& stored = stored_codec(in, tensor);
  Candidate candidate{step, tensor, {}, {}};
  std::vector<const Codec*> codecs =
      codecs_to_try(in.format, tensor.weight, tensor.exported, stored, in.ternary, in.reach);
  if (std::ranges::find(codecs, candidate.planned()) == codecs.end()) codecs.push_back(candidate.planned());
  for (const TriedCodec& trial : try_codecs(in.encode(), tensor, codecs, in.tried)) {
    if (std::isfinite(trial.error.plain) && std::isfinite(trial.error.loss()))
      candidate.trials.push_back(trial);
    else
      in.encode().observer.note(
          fmt::format("{} cannot be stored as {}: it holds values too large for that number format", tensor.step.tensor,
                      trial.codec->name));
  }
  candidate.probe = probe_of(candidate.trials, stored);
  return candidate;
}

// The plan whose matrices are what is measured alone, and all else as the source has it.
Plan probe_plan(const SurveyInput& in, const std::vector<Candidate>& candidates) {
  Plan plan = in.plan;
  plan.steps.clear();
  for (const OutputTensor& tensor : output_tensors(in.plan, in.encode().spec, in.encode().names)) {
    PlanStep& step = plan.steps.emplace_back(tensor.step);
    step.codec = in.encode().source.stored(tensor.weight).encoding;
  }
  for (const Candidate& candidate : candidates)
    if (candidate.probe) plan.steps[candidate.step].codec = candidate.probe->codec->name;
  return plan;
}

// What the weighted error of a matrix costs, nats, as its group was measured.
struct Rate {
  const Candidate* candidate = nullptr;
  double kld = 0, by_error = 0;  // of its probe; of a unit of error
};

// Errors of the probes of `steps`, by weight.
std::map<std::size_t, EncodeError> probe_errors(const std::vector<Candidate>& candidates, const StepGroup& steps) {
  std::map<std::size_t, EncodeError> of_weights;
  for (const Candidate& candidate : candidates)
    if (candidate.probe && std::ranges::count(steps, candidate.step) > 0)
      of_weights[candidate.tensor.exported.weight] += candidate.probe->error;
  return of_weights;
}

// The matrices of one group cost alike by their relative errors: what a layer adds is normed against the states that it
// is added to, which grow from layer to layer. Measured one by one (four reference models, 12 windows), the costs of
// attn.o differ by a factor of 1.2 to 1.4 between layers (standard deviation of the logarithm) by relative error, and
// of 5 to 7 by squared error; of ssm.out 1.3 and 2.7, mlp.down 1.6 and 3.0.
std::vector<Rate> rates_of(const std::vector<Candidate>& candidates, const std::vector<MeasuredGroup>& measured) {
  std::vector<Rate> rates;
  for (const MeasuredGroup& group : measured) {
    const std::map<std::size_t, EncodeError> all = probe_errors(candidates, group.steps),
                                             changed = probe_errors(candidates, group.changed);
    for (const Candidate& candidate : candidates) {
      if (!candidate.probe || std::ranges::count(group.steps, candidate.step) == 0) continue;
      const double energy = all.at(candidate.tensor.exported.weight).energy();
      double errors = 0;  // what this matrix alone would have to lose to cost as much
      for (const auto& [weight, error] : changed) errors += error.loss() * (energy / error.energy());
      if (!(errors > 0)) errors = std::numeric_limits<double>::max();  // nothing was measured
      rates.push_back({&candidate, std::max(0.0, group.kld) / errors * candidate.probe->error.loss(),
                       std::max(kLeastHarm, group.kld) / errors});
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
    options.probe = candidate.probe->codec;
    options.probe_kld = rate->kld;
    by_error = rate->by_error;
  }
  for (const auto& [codec, error, bytes] : candidate.trials) {
    // An option whatever it loses: the one that is planned.
    if (error.relative_loss() > kMostLoss && codec != candidate.planned()) continue;
    options.options.push_back({codec, bytes, by_error * error.loss()});
  }
  return options;
}

std::vector<Candidate> candidates_of(const SurveyInput& in) {
  const std::vector<OutputTensor> tensors = output_tensors(in.plan, in.encode().spec, in.encode().names);
  std::vector<std::size_t> steps;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!keeps_precision(tensors[i].weight)) steps.push_back(i);
  in.encode().observer.stage("try number formats", steps.size());
  std::vector<Candidate> all;
  for (const std::size_t step : steps) {
    check_interrupted(in.encode().observer);
    const Candidate& candidate = all.emplace_back(candidate_of(in, step, tensors[step]));
    in.encode().observer.advance(
        fmt::format("{}: {} number formats", candidate.tensor.step.output, candidate.trials.size()));
  }
  return all;
}

}  // namespace

std::vector<StepOptions> survey(const SurveyInput& in) {
  const std::vector<Candidate> candidates = candidates_of(in);
  const std::vector<Rate> rates =
      rates_of(candidates, measure_groups(in.original, probe_plan(in, candidates), in.groups));
  std::vector<StepOptions> all;
  for (const Candidate& candidate : candidates)
    if (StepOptions options = options_of(candidate, rates); !options.options.empty()) all.push_back(std::move(options));
  return all;
}

}  // namespace quern
