// The first phases of compress, then predictions in place of the last ones.
#include "forecast/forecast.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/fail.h"
#include "compress/compress_choice.h"
#include "compress/permissions.h"
#include "compress/planned.h"
#include "compress/ternary_steps.h"
#include "encode/check_weights.h"
#include "forecast/memory_forecast.h"
#include "model/op_walk.h"
#include "model/tied_copy.h"
#include "runtime/allowed_memory.h"

namespace quern {
namespace {

constexpr std::size_t kAlternatives = 7;
constexpr double kUnnoticeable = 5e-4;  // nats: files with less do not come into question

double perplexity_of_original(const Opened& opened, const Windows& windows) {
  opened.observer.stage("original on the gate text", opened.source.spec.blocks.size() - 1);
  const ActivationStore rows = final_hidden(opened.walk(), windows, opened.setup.memory_limit, opened.observer);
  return summarise(score(opened.walk(), rows, windows)).original_perplexity.value;
}

// A plan that was not chosen from the options.
SizedPlan with_shares(const Plan& plan, std::span<const StepOptions> options) {
  SizedPlan sized{plan, 0, {}};
  for (const StepOptions& of_step : options) {
    const StepOption* same = option_of(of_step, plan);
    if (!same)
      fail(ErrorCode::kInput, "tensor {} cannot be stored as {}: its values are too large for it",
           plan.steps[of_step.step].tensor, plan.steps[of_step.step].codec);
    sized.kld += same->kld;
  }
  return sized;
}

// What a plan is expected to lose: its shares, or where those do not add up what its files lose on the same windows.
// Where tokens are routed the smallest error can send one to another expert: such jumps do not shrink with the error,
// and no share tells of them.
double expected_kld(const Opened& opened, Candidates& candidates, const SizedPlan& sized) {
  if (sized.whole) return *sized.whole;
  const bool adds_up = sized.kld <= kSharesAddUp && !routes_rows(opened.source.spec);
  return adds_up || sized.kld == 0 ? sized.kld : candidates.measured_whole(sized.plan);
}

// Sizes from the smallest files to those that no one can tell from the original, each so many times as large as the one
// before.
std::vector<std::uint64_t> other_sizes(const SizeSearch& search, const SizedPlan& chosen) {
  const std::vector<SizePoint> curve = size_choice(search, chosen).curve;
  const auto finest = std::ranges::find_if(curve, [](const SizePoint& point) { return point.kld < kUnnoticeable; });
  const std::uint64_t least = least_bytes(search);
  const std::uint64_t most = std::max(least, (finest == curve.end() ? curve.back() : *finest).bytes);
  std::vector<std::uint64_t> sizes;
  for (std::size_t i = 0; i < kAlternatives; ++i) {
    const double growth =
        std::pow(static_cast<double>(most) / static_cast<double>(least), static_cast<double>(i) / (kAlternatives - 1));
    sizes.push_back(std::max(least, static_cast<std::uint64_t>(static_cast<double>(least) * growth)));
  }
  return sizes;
}

// What a plan is chosen from, and measured with.
struct Survey {
  const Opened& opened;
  const CompressTexts& texts;
  const Surveyed& surveyed;  // options as they were measured one by one, where errors add up
  const Planned& planned;    // options as it was chosen from them: for plans whose errors do not
  Candidates& candidates;
};

// The best plans of other sizes beside the one that was planned.
std::vector<Alternative> alternatives(const Survey& of, double original_perplexity) {
  SizeSearch fine = size_search(of.opened, of.surveyed.base, of.surveyed.options, 0), coarse = fine;
  coarse.options = of.planned.options;
  const SizedPlan& chosen = of.planned.chosen;
  const auto predicted = [&](const SizedPlan& sized) {
    return predict(expected_kld(of.opened, of.candidates, sized), original_perplexity);
  };
  std::vector<Alternative> all{{chosen.file_bytes, predicted(chosen)}};
  for (const std::uint64_t size : other_sizes(fine, chosen)) {
    fine.most = coarse.most = size;
    SizedPlan sized = search_size(fine);
    if (sized.kld > kSharesAddUp) sized = search_size(coarse);
    if (std::ranges::find(all, sized.file_bytes, &Alternative::bytes) == all.end())
      all.push_back({sized.file_bytes, predicted(sized)});
  }
  std::ranges::sort(all, {}, &Alternative::bytes);
  return all;
}

// Chosen for a size where one is asked for, else with what its number formats lose.
Planned plan_with_shares(const Opened& opened, const CompressTexts& texts, const Surveyed& surveyed,
                         Candidates& candidates) {
  if (opened.searches()) return choose_for_size(opened, texts, surveyed, candidates);
  Planned planned{with_shares(surveyed.base, surveyed.options), surveyed.options, std::nullopt};
  planned.chosen.file_bytes = opened.bytes_of(surveyed.base);
  return planned;
}

// `measured`: what was measured of the steps one by one; `shares`: what the plan was chosen from.
std::vector<ForecastTensor> tensors_of(const Opened& opened, const Plan& plan,
                                       std::span<const StepOptions> measured = {},
                                       std::span<const StepOptions> shares = {}) {
  std::vector<ForecastTensor> tensors;
  for (const OutputTensor& tensor : output_tensors(plan, opened.source.spec, opened.names))
    tensors.push_back({tensor.step, tensor_facts(tensor.weight), {}});
  for (const StepOptions& of_step : measured) tensors[of_step.step].options = of_step.options;
  for (const StepOptions& of_step : shares) add_survey_facts(of_step, plan, tensors[of_step.step].facts);
  return tensors;
}

// Measures, chooses if a size was asked for, and predicts.
void add_quality(const Opened& opened, const CompressTexts& texts, const WorkFiles& work, Candidates& candidates,
                 Plan base, Forecast& f) {
  const Surveyed surveyed = survey_steps(opened, texts, std::move(base), work, candidates);
  Planned planned = plan_with_shares(opened, texts, surveyed, candidates);
  f.survey = planned.chosen.whole ? SurveyWalks::kTogether : SurveyWalks::kAlone;
  planned.chosen.whole = expected_kld(opened, candidates, planned.chosen);
  f.plan = planned.plan();
  f.tensors = tensors_of(opened, f.plan, surveyed.options, planned.options);
  QualityForecast quality{.text = texts.gate->use, .alternatives = {}};
  quality.original_perplexity = perplexity_of_original(opened, texts.gate->windows);
  quality.quality = predict(*planned.chosen.whole, quality.original_perplexity);
  quality.alternatives = alternatives({opened, texts, surveyed, planned, candidates}, quality.original_perplexity);
  f.quality = std::move(quality);
}

// The phases of compress as far as the plan, in the scratch folder, and what its files would lose.
void add_plan(const Opened& opened, const CompressTexts& texts, const KeptStatistics& kept, Forecast& f) {
  if (!opened.calibrates() && !texts.survey) {
    f.plan = opened.plan({}, opened.optimizer);
    f.tensors = tensors_of(opened, f.plan);
    return;
  }
  const TemporaryFolder scratch("quern-plan");
  Journal records(scratch.path() / "records");
  SourceHashes hashes(opened);
  const WorkFiles work{scratch.path(), records, nullptr, hashes};
  const Calibrated calibrated(opened, texts, work);
  f.notes = {missing_moments_note(opened, calibrated.statistics())};
  if (texts.survey) {
    Candidates candidates(opened, texts, calibrated, work, SurveyOriginal::Keep::kFronts);
    add_quality(opened, texts, work, candidates, base_plan(opened, calibrated, &candidates), f);
  } else {
    f.plan = base_plan(opened, calibrated, nullptr);
    f.tensors = tensors_of(opened, f.plan);
  }
  // Last, so that one that is interrupted leaves nothing in the way of the next.
  if (kept.moments) kept.moments->publish(read_text(statistics_file(work)));
  if (!kept.folder.empty()) copy_statistics(opened, work, kept.folder);
}

Json to_json(const Range& range) {
  return Json::object({{"value", range.value}, {"low", range.low}, {"high", range.high}});
}

Json to_json(const std::vector<StepOption>& options) {
  Json rows = Json::array();
  for (const StepOption& option : options)
    rows.push_back(Json::object({{"codec", option.codec->name}, {"bytes", option.bytes}, {"kld", option.kld}}));
  return rows;
}

Json to_json(const QualityForecast& quality) {
  Json rows = Json::array();
  for (const Alternative& a : quality.alternatives)
    rows.push_back(Json::object(
        {{"bytes", a.bytes}, {"mean_kld", to_json(a.quality.kld)}, {"perplexity", to_json(a.quality.perplexity)}}));
  return Json::object({{"mean_kld", to_json(quality.quality.kld)},
                       {"perplexity", to_json(quality.quality.perplexity)},
                       {"original_perplexity", quality.original_perplexity},
                       {"text", to_json(quality.text)},
                       {"alternatives", std::move(rows)}});
}

}  // namespace

void check_kept(const Opened& opened, const KeptStatistics& kept) {
  if ((kept.moments || !kept.folder.empty()) && !opened.calibrates())
    throw Error(ErrorCode::kUsage, "there are no statistics to keep: give `calibration_text` or `statistics`");
  if (!kept.folder.empty()) OutputFolder::check_target(kept.folder, OutputFolder::Existing::kRefuse);
}

Forecast forecast(const Opened& opened, const KeptStatistics& kept) {
  check_kept(opened, kept);
  return forecast(opened, read_texts(opened, GateText::kWhereGiven), kept);
}

Forecast forecast(const Opened& opened, const CompressTexts& texts, const KeptStatistics& kept) {
  check_kept(opened, kept);
  const OpenModel& source = opened.source;
  check_damage(opened, opened.plan({}, opened.optimizer));  // refuses what cannot be planned before weights are checked
  check_tied_copy(source.checkpoint, source.spec);
  check_weights(source.weights, source.spec, opened.pool(), opened.observer);
  Forecast f{.plan = {}, .architecture = source.spec.architecture, .source_format = source.checkpoint.format()};
  f.parameters = source.parameters();
  f.source_bytes = source.file_bytes();
  add_plan(opened, texts, kept, f);
  f.model_bytes = opened.bytes_of(f.plan);
  f.memory_to_compress = allowed_memory(opened.options.machine);
  f.memory_reason = reason_of_memory(opened.options.machine);
  f.expected_memory = expected_memory(opened, texts);
  if (source.can_run()) {
    f.memory = estimate_memory(source.weights, source.spec, 0);
    f.memory->stored = f.plan.loaded_bytes();
  }
  f.time = expected_time(opened, texts, f.plan, f.survey);
  std::ranges::copy(opened.notes_of(f.plan), std::back_inserter(f.notes));
  std::erase(f.notes, "");
  std::ranges::copy(permission_notes(opened, f.plan), std::back_inserter(f.notes));
  std::ranges::copy(foretold_refusals(opened, f.plan), std::back_inserter(f.notes));
  std::ranges::copy(opened.loading_notes(f.plan), std::back_inserter(f.notes));
  if (kept.moments && kept.folder.empty() && needs_hessians(f.plan))
    f.notes.push_back(
        "the plan chooses codes by error feedback, for which the importance matrix that was kept is not enough: to "
        "follow it give the same `calibration_text`, or keep a `statistics_folder`; the `optimizer` weighted makes a "
        "plan "
        "that needs no more");
  return f;
}

Json to_json(const Forecast& f) {
  Json tensors = Json::array();
  for (const auto& [step, facts, options] : f.tensors)
    tensors.push_back(Json::object({{"tensor", step.tensor},
                                    {"role", facts.role},
                                    {"layer", facts.layer},
                                    {"predicted_kld", json_or_null(facts.predicted_kld)},
                                    {"options", to_json(options)}}));
  Json json = to_json(f.plan);
  json.set("forecast", Json::object({{"architecture", f.architecture},
                                     {"source_format", f.source_format},
                                     {"parameters", f.parameters},
                                     {"source_bytes", f.source_bytes},
                                     {"model_bytes", f.model_bytes},
                                     {"quality", f.quality ? to_json(*f.quality) : Json()},
                                     {"tensors", std::move(tensors)},
                                     {"memory", f.memory ? Json::object({{"weights", f.memory->stored},
                                                                         {"context", f.memory->context},
                                                                         {"kv_f16", f.memory->kv_f16},
                                                                         {"state_f32", f.memory->state_f32}})
                                                         : Json()},
                                     {"memory_to_compress", f.memory_to_compress},
                                     {"expected_memory", f.expected_memory},
                                     {"seconds", f.time ? to_json(*f.time) : Json()},
                                     {"replay_seconds", f.time ? Json(f.time->replay()) : Json()},
                                     {"notes", Json::Array(f.notes.begin(), f.notes.end())}}));
  return json;
}

}  // namespace quern
