// The first phases of compress, then predictions in place of the last ones.
#include "forecast/forecast.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/fail.h"
#include "compress/interaction.h"
#include "compress/optimizer_choice.h"
#include "compress/sizing.h"
#include "encode/check_weights.h"
#include "model/op_walk.h"
#include "model/tied_copy.h"
#include "package/package.h"
#include "runtime/allowed_memory.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAlternatives = 7;
constexpr double kUnnoticeable = 5e-4;  // nats: files with less do not come into question

void calibrate(Preparation& prep, const fs::path& scratch, NewFile* copy) {
  const fs::path file = scratch / kStatisticsName;
  prep.collect(file);
  prep.use_statistics(file);
  if (copy) copy->publish(read_text(file));
}

double perplexity_of_original(Preparation& prep, const Windows& windows) {
  prep.observer.stage("original on the gate text", prep.source.spec.blocks.size() - 1);
  const ActivationStore rows = final_hidden(prep.walk(), windows, prep.setup.memory_limit, prep.observer);
  return summarise(score(prep.walk(), rows, windows)).original_perplexity.value;
}

// The shares of a plan that was not chosen from the options.
SizedPlan with_shares(const Plan& plan, std::span<const StepOptions> options) {
  SizedPlan sized{.plan = plan, .shares = std::vector<double>(plan.steps.size())};
  for (const StepOptions& of_step : options) {
    const StepOption* same = option_of(of_step, plan);
    if (!same)
      fail(ErrorCode::kInput, "tensor {} cannot be stored as {}: its values are too large for it",
           plan.steps[of_step.step].tensor, plan.steps[of_step.step].codec);
    sized.kld += sized.shares[of_step.step] = same->kld;
  }
  return sized;
}

// What a plan is expected to lose: its shares, or where those do not add up what its files lose on the same windows.
// Where tokens are routed the smallest error can send one to another expert: such jumps do not shrink with the error,
// and no share tells of them.
double expected_kld(const Sizing& sizing, const SizedPlan& sized) {
  if (sized.whole) return *sized.whole;
  const bool adds_up = sized.kld <= kSharesAddUp && !routes_rows(sizing.prep.source.spec);
  return adds_up || sized.kld == 0 ? sized.kld : measured_whole(sizing, sized.plan);
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

// The best plans of other sizes beside `chosen`. `alone`: options as they were measured one by one, where errors add
// up; those of `search` where they do not.
std::vector<Alternative> alternatives(const Sizing& sizing, const SizeSearch& search,
                                      std::span<const StepOptions> alone, const SizedPlan& chosen,
                                      double original_perplexity) {
  SizeSearch fine = search, coarse = search;
  fine.options = alone;
  std::vector<Alternative> all{{chosen.file_bytes, predict(expected_kld(sizing, chosen), original_perplexity)}};
  for (const std::uint64_t size : other_sizes(fine, chosen)) {
    fine.most = coarse.most = size;
    SizedPlan sized = search_size(fine);
    if (sized.kld > kSharesAddUp) sized = search_size(coarse);
    const auto same = std::ranges::find(all, sized.file_bytes, &Alternative::bytes);
    if (same == all.end()) all.push_back({sized.file_bytes, predict(expected_kld(sizing, sized), original_perplexity)});
  }
  std::ranges::sort(all, {}, &Alternative::bytes);
  return all;
}

// Measures, chooses if a size was asked for, and predicts. Changes the plan of `f`.
void add_quality(Preparation& prep, const fs::path& scratch, Forecast& f) {
  const Plan base = f.plan;
  const Sizing sizing{prep, scratch / "candidate"};
  f.options = surveyed(sizing, base);
  std::vector<StepOptions> options = f.options;
  SizedPlan chosen;
  SizeSearch search = size_search(prep, base, options, 0);
  if (prep.options.size) {
    search.most = most_bytes(prep);
    chosen = search_in_company(sizing, search, options);
  } else {
    chosen = with_shares(base, options);
    chosen.file_bytes = search.file_bytes(base);
  }
  f.survey = chosen.whole ? SurveyWalks::kTogether : SurveyWalks::kAlone;
  chosen.whole = expected_kld(sizing, chosen);
  search.options = options;
  f.plan = chosen.plan;
  add_survey_facts(options, chosen.shares, f.tensors);
  QualityForecast quality{.text = *prep.texts.gate_use, .alternatives = {}};
  quality.original_perplexity = perplexity_of_original(prep, *prep.texts.gate);
  quality.quality = predict(*chosen.whole, quality.original_perplexity);
  quality.alternatives = alternatives(sizing, search, f.options, chosen, quality.original_perplexity);
  f.quality = std::move(quality);
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

Forecast forecast(Preparation& prep, NewFile* statistics_copy) {
  if (statistics_copy && !prep.calibrates())
    throw Error(ErrorCode::kUsage, "there are no statistics to keep: give `calibration_text` or `statistics`");
  prep.read_texts(GateText::kWhereGiven);
  prep.hash_source();
  prep.plan();  // refuses what cannot be planned before a weight is read
  if (prep.texts.gate) survey_design(prep);
  check_tied_copy(prep.source.checkpoint, prep.source.spec);
  check_weights(prep.source.weights, prep.source.spec, prep.pool, prep.observer);
  std::optional<TemporaryFolder> scratch;
  if (prep.calibrates() || prep.texts.gate) scratch.emplace("quern-plan");
  if (prep.calibrates()) calibrate(prep, scratch->path(), statistics_copy);
  OptimizerChoice optimizer;
  if (scratch) optimizer = choose_optimizer({prep, scratch->path() / "candidate"});
  prep.optimizer = optimizer.optimizer;
  Forecast f{.plan = prep.plan(),
             .architecture = prep.source.spec.architecture,
             .source_format = prep.source.checkpoint.format()};
  if (!optimizer.note.empty()) f.plan.notes.push_back(optimizer.note);
  f.parameters = prep.source.parameters();
  f.source_bytes = prep.source.file_bytes();
  f.tensors = tensor_facts(prep.source.spec, prep.names);
  if (prep.texts.gate) add_quality(prep, scratch->path(), f);
  f.model_bytes = prep.bytes_of(f.plan);
  f.memory_to_compress = allowed_memory(prep.options.machine);
  if (prep.source.can_run()) {
    f.memory = estimate_memory(prep.source.weights, prep.source.spec, 0);
    f.memory->stored = f.plan.tensor_bytes();
  }
  f.time = expected_time(prep, f.plan, f.survey);
  f.notes = prep.notes_of(f.plan);
  std::ranges::copy(prep.loading_notes(f.plan), std::back_inserter(f.notes));
  return f;
}

Json to_json(const Forecast& f) {
  Json tensors = Json::array();
  for (std::size_t i = 0; i < f.tensors.size(); ++i) {
    const TensorFacts& facts = f.tensors[i];
    const auto of_step = std::ranges::find(f.options, i, &StepOptions::step);
    tensors.push_back(
        Json::object({{"tensor", f.plan.steps[i].tensor},
                      {"role", facts.role},
                      {"layer", facts.layer},
                      {"predicted_kld", json_or_null(facts.predicted_kld)},
                      {"options", of_step == f.options.end() ? Json::array() : to_json(of_step->options)}}));
  }
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
                                     {"seconds", f.time ? to_json(*f.time) : Json()},
                                     {"replay_seconds", f.time ? Json(f.time->replay()) : Json()},
                                     {"notes", Json::Array(f.notes.begin(), f.notes.end())}}));
  return json;
}

}  // namespace quern
