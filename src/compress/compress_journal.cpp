// Results of phases as JSON and back. A record that does not read back counts as absent: the phase is done again.
#include "compress/compress_journal.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/sha256.h"
#include "compress/run_identity.h"
#include "encode/step_records.h"
#include "report/report.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "journal";
constexpr const char* kRun = "run";
constexpr const char* kSource = "hashes of MODEL";

std::string next_key(const Plan& plan) { return "raised " + plan.sha256(); }

std::string survey_key(const Plan& plan) { return "survey " + plan.sha256(); }

std::string together_key(const Plan& plan, const std::vector<StepGroup>& groups) {
  return fmt::format("together in {} groups {}", groups.size(), plan.sha256());
}

std::string gate_key(const Plan& plan) { return "gate " + plan.sha256(); }

Estimate estimate_from_json(const Json& json) {
  return {json.at("value").as_double(), json.at("standard_error").as_double()};
}

Quality quality_from_json(const Json& json) {
  const auto estimate = [&](const char* key) { return estimate_from_json(json.at(key)); };
  return {.windows = json.at("windows").as_uint64(),
          .tokens = json.at("tokens").as_uint64(),
          .original_perplexity = estimate("original_perplexity"),
          .perplexity = estimate("perplexity"),
          .perplexity_increase = estimate("perplexity_increase"),
          .mean_kld = estimate("mean_kld"),
          .median_kld = estimate("median_kld"),
          .kld_99 = estimate("kld_99"),
          .same_top = estimate("same_top")};
}

NextTrial trial_from_json(const Json& json) {
  NextTrial trial{plan_from_json(json.at("plan")), {}};
  for (const Json& harm : json.at("harms").as_array()) {
    trial.harms.push_back({harm.at("step").as_uint64(), harm.at("kld").as_double()});
    if (trial.harms.back().step >= trial.plan.steps.size())
      fail(ErrorCode::kInput, "harm of step {} of {}", trial.harms.back().step, trial.plan.steps.size());
  }
  return trial;
}

Json to_json(const StepOptions& of_step) {
  Json options = Json::array();
  for (const StepOption& option : of_step.options)
    options.push_back(Json::object({{"codec", option.codec->name}, {"bytes", option.bytes}, {"kld", option.kld}}));
  return Json::object({{"step", of_step.step},
                       {"probe", of_step.probe ? of_step.probe->name : ""},
                       {"probe_kld", of_step.probe_kld},
                       {"options", std::move(options)}});
}

double share_from_json(const Json& json) {
  const double kld = json.as_double();
  if (!std::isfinite(kld) || kld < 0) fail(ErrorCode::kInput, "a share of {}", kld);
  return kld;
}

const Codec& codec_from_json(const Json& json) {
  const Codec* codec = find_codec(json.as_string());
  if (!codec) fail(ErrorCode::kInput, "no codec {}", json.as_string());
  return *codec;
}

StepOptions options_from_json(const Json& json) {
  StepOptions of_step{json.at("step").as_uint64(), {}};
  of_step.probe_kld = share_from_json(json.at("probe_kld"));
  if (!json.at("probe").as_string().empty()) of_step.probe = &codec_from_json(json.at("probe"));
  for (const Json& option : json.at("options").as_array())
    of_step.options.push_back(
        {&codec_from_json(option.at("codec")), option.at("bytes").as_uint64(), share_from_json(option.at("kld"))});
  if (of_step.options.empty()) fail(ErrorCode::kInput, "step {} has no options", of_step.step);
  return of_step;
}

std::vector<StepOptions> survey_from_json(const Json& json) {
  std::vector<StepOptions> all;
  for (const Json& of_step : json.as_array()) {
    all.push_back(options_from_json(of_step));
    if (all.size() > 1 && all.back().step <= all[all.size() - 2].step)
      fail(ErrorCode::kInput, "options of step {} out of order", all.back().step);
  }
  return all;
}

PlanHarm harm_from_json(const Json& json, std::size_t steps) {
  PlanHarm harm{json.at("kld").as_double(), {}};
  for (const Json& group : json.at("gains").as_array()) {
    GroupKld& gain = harm.gains.emplace_back(GroupKld{{}, group.at("kld").as_double()});
    for (const Json& step : group.at("steps").as_array()) {
      gain.steps.push_back(step.as_uint64());
      if (gain.steps.back() >= steps) fail(ErrorCode::kInput, "gain of step {} of {}", gain.steps.back(), steps);
    }
  }
  return harm;
}

// Plans that differ in nothing but the number formats of their tensors.
bool is_like(const Plan& plan, const Plan& like) {
  return plan.scheme == like.scheme && plan.format == like.format && plan.tensors_sha256 == like.tensors_sha256 &&
         plan.statistics_sha256 == like.statistics_sha256 && plan.hessians_sha256 == like.hessians_sha256 &&
         std::ranges::equal(plan.steps, like.steps, [](const PlanStep& a, const PlanStep& b) {
           return a.tensor == b.tensor && a.output == b.output && a.optimizer == b.optimizer &&
                  a.parameters == b.parameters && find_codec(a.codec);
         });
}

}  // namespace

CompressJournal::CompressJournal(const fs::path& folder, const Json& run)
    : folder_(folder), journal_(folder / kName), continues_(!journal_.empty()) {
  const std::optional<Json> then = journal_.find(kRun);
  if (!continues_) {
    journal_.add(kRun, run);
    return;
  }
  Json now = run;
  if (const Json* stamps = then && knows_source() ? then->find(kModelFiles) : nullptr) now.set(kModelFiles, *stamps);
  check_same_run(then ? *then : Json::object(), now, folder);
}

bool CompressJournal::knows_source() const { return journal_.find(kSource).has_value(); }

Json CompressJournal::stamps() const {
  const std::optional<Json> run = journal_.find(kRun);
  const Json* stamps = run ? run->find(kModelFiles) : nullptr;
  return stamps ? *stamps : Json::object();
}

void CompressJournal::expect_source(const Json& hashes) {
  const std::optional<Json> then = journal_.find(kSource);
  if (!then) return journal_.add(kSource, hashes);
  check_same_run(Json::object({{kModelFiles, *then}}), Json::object({{kModelFiles, hashes}}), folder_);
}

std::size_t CompressJournal::tensors() const { return journal_.count(StepRecords::kPrefix); }

bool CompressJournal::has_statistics(const fs::path& file) const {
  const std::optional<Json> record = journal_.find("statistics");
  return record && find_file(file) && *record == Json(sha256_of_file(file));
}

std::optional<NextTrial> CompressJournal::next(const Plan& plan) const {
  std::optional<NextTrial> next = journal_.read(next_key(plan), trial_from_json);
  return next && is_like(next->plan, plan) ? next : std::nullopt;
}

void CompressJournal::add_next(const Plan& plan, const NextTrial& next) {
  Json harms = Json::array();
  for (const StepHarm& harm : next.harms) harms.push_back(Json::object({{"step", harm.step}, {"kld", harm.kld}}));
  journal_.add(next_key(plan), Json::object({{"plan", to_json(next.plan)}, {"harms", std::move(harms)}}));
}

std::optional<std::vector<StepOptions>> CompressJournal::survey(const Plan& plan) const {
  auto options = journal_.read(survey_key(plan), survey_from_json);
  return options && !options->empty() && options->back().step < plan.steps.size() ? options : std::nullopt;
}

void CompressJournal::add_survey(const Plan& plan, std::span<const StepOptions> options) {
  Json all = Json::array();
  for (const StepOptions& of_step : options) all.push_back(to_json(of_step));
  journal_.add(survey_key(plan), std::move(all));
}

std::optional<PlanHarm> CompressJournal::together(const Plan& plan, const std::vector<StepGroup>& groups) const {
  return journal_.read(together_key(plan, groups),
                       [&](const Json& json) { return harm_from_json(json, plan.steps.size()); });
}

void CompressJournal::add_together(const Plan& plan, const std::vector<StepGroup>& groups, const PlanHarm& harm) {
  Json gains = Json::array();
  for (const GroupKld& gain : harm.gains) {
    Json steps = Json::array();
    for (const std::size_t step : gain.steps) steps.push_back(step);
    gains.push_back(Json::object({{"steps", std::move(steps)}, {"kld", gain.kld}}));
  }
  journal_.add(together_key(plan, groups), Json::object({{"kld", harm.kld}, {"gains", std::move(gains)}}));
}

std::optional<Quality> CompressJournal::gate(const Plan& plan) const {
  return journal_.read(gate_key(plan), quality_from_json);
}

void CompressJournal::add_gate(const Plan& plan, const Quality& quality) {
  journal_.add(gate_key(plan), to_json(quality));
}

}  // namespace quern
