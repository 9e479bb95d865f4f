// Results of phases as JSON and back. A record that does not read back counts as absent: the phase is done again.
#include "pipeline/compress_journal.h"

#include <algorithm>

#include "base/sha256.h"
#include "pipeline/report.h"
#include "pipeline/run_identity.h"
#include "pipeline/step_records.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "journal";
constexpr const char* kRun = "run";

std::string next_key(const Plan& plan, CompressJournal::Reason reason) {
  return fmt::format("{} {}", reason == CompressJournal::Reason::kSize ? "sized" : "raised", plan.sha256());
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

// Plans that differ in nothing but the number formats of their tensors.
bool is_like(const Plan& plan, const Plan& like) {
  return plan.scheme == like.scheme && plan.format == like.format && plan.source_sha256 == like.source_sha256 &&
         plan.statistics_sha256 == like.statistics_sha256 &&
         std::ranges::equal(plan.steps, like.steps, [](const PlanStep& a, const PlanStep& b) {
           return a.tensor == b.tensor && a.output == b.output && a.optimizer == b.optimizer &&
                  a.parameters == b.parameters && find_codec(a.codec);
         });
}

// What `read` makes of the record, if it can.
template <typename Read>
auto read_record(const Json* record, Read read) -> std::optional<decltype(read(*record))> {
  if (!record) return std::nullopt;
  try {
    return read(*record);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

CompressJournal::CompressJournal(const fs::path& folder, const Json& run)
    : journal_(folder / kName), continues_(!journal_.empty()) {
  const Json* then = journal_.find(kRun);
  if (continues_) check_same_run(then ? *then : Json::object(), run, folder);
  if (!then) journal_.add(kRun, run);
}

std::size_t CompressJournal::tensors() const { return journal_.count(StepRecords::kPrefix); }

bool CompressJournal::has_statistics(const fs::path& file) const {
  const Json* record = journal_.find("statistics");
  std::error_code ec;
  return record && fs::is_regular_file(file, ec) && *record == Json(sha256_of_file(file));
}

std::optional<NextTrial> CompressJournal::next(const Plan& plan, Reason reason) const {
  std::optional<NextTrial> next = read_record(journal_.find(next_key(plan, reason)), trial_from_json);
  return next && is_like(next->plan, plan) ? next : std::nullopt;
}

void CompressJournal::add_next(const Plan& plan, Reason reason, const NextTrial& next) {
  Json harms = Json::array();
  for (const StepHarm& harm : next.harms) harms.push_back(Json::object({{"step", harm.step}, {"kld", harm.kld}}));
  journal_.add(next_key(plan, reason), Json::object({{"plan", to_json(next.plan)}, {"harms", std::move(harms)}}));
}

std::optional<Quality> CompressJournal::gate(const Plan& plan) const {
  return read_record(journal_.find(gate_key(plan)), quality_from_json);
}

void CompressJournal::add_gate(const Plan& plan, const Quality& quality) {
  journal_.add(gate_key(plan), to_json(quality));
}

}  // namespace quern
