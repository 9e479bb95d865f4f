// Plans written down and read back. Members that came later are left out where they say nothing, so that the hash of an
// older plan stays what it was.
#include "base/fail.h"
#include "plan/plan.h"
#include "plan/precision_table.h"

namespace quern {
namespace {

constexpr std::size_t kStepMembers = 8;

Json step_to_json(const PlanStep& s) {
  Json json = Json::object();
  json.as_object().reserve(kStepMembers);
  json.as_object() = {{"tensor", s.tensor},       {"output", s.output}, {"codec", s.codec},
                      {"optimizer", s.optimizer}, {"bytes", s.bytes},   {"reason", s.reason}};
  if (s.parameters) json.set("parameters", s.parameters);
  if (s.is_sequential()) json.set("calibration", kSequentialCalibration);
  return json;
}

PlanStep step_from_json(const Json& json) {
  PlanStep step{.tensor = json.at("tensor").as_string(),
                .output = json.at("output").as_string(),
                .codec = json.at("codec").as_string(),
                .optimizer = json.at("optimizer").as_string(),
                .bytes = json.at("bytes").as_uint64(),
                .reason = json.at("reason").as_string()};
  if (const Json* parameters = json.find("parameters")) step.parameters = parameters->as_uint64();
  if (const Json* calibration = json.find("calibration")) {
    if (calibration->as_string() != kSequentialCalibration)
      fail(ErrorCode::kInput, "the step of {} has the calibration \"{}\", which nothing knows", step.tensor,
           calibration->as_string());
    step.calibration = PlanStep::Calibration::kSequential;
  }
  return step;
}

Json map_to_json(const PrecisionMapUse& map) {
  Json::Array rules;
  for (const RuleUse& rule : map.rules)
    rules.push_back(Json::object(
        {{"match", rule.match}, {"codec", rule.codec}, {"tensors", rule.tensors}, {"parameters", rule.parameters}}));
  return Json::object({{"rules", std::move(rules)},
                       {"unmatched_tensors", map.unmatched_tensors},
                       {"unmatched_parameters", map.unmatched_parameters}});
}

PrecisionMapUse map_from_json(const Json& json) {
  PrecisionMapUse map{.rules = {},
                      .unmatched_tensors = json.at("unmatched_tensors").as_uint64(),
                      .unmatched_parameters = json.at("unmatched_parameters").as_uint64()};
  for (const Json& rule : json.at("rules").as_array())
    map.rules.push_back({rule.at("match").as_string(), rule.at("codec").as_string(), rule.at("tensors").as_uint64(),
                         rule.at("parameters").as_uint64()});
  return map;
}

// Derived from the steps, for readers; not read back.
Json widths_to_json(const std::vector<WidthShare>& shares) {
  Json::Array widths;
  for (const WidthShare& s : shares)
    widths.push_back(Json::object({{"codec", s.codec},
                                   {"bits", s.bits()},
                                   {"tensors", s.tensors},
                                   {"parameters", s.parameters},
                                   {"share", s.share}}));
  return widths;
}

}  // namespace

Json to_json(const Plan& plan) {
  Json::Array steps, notes(plan.notes.begin(), plan.notes.end());
  for (const PlanStep& step : plan.steps) steps.push_back(step_to_json(step));
  Json json = Json::object({{"version", 1},
                            {"scheme", plan.scheme},
                            {"format", plan.format},
                            plan.source_sha256.empty() ? Json::Member{"tensors_sha256", plan.tensors_sha256}
                                                       : Json::Member{"source_sha256", plan.source_sha256},
                            {"statistics_sha256", plan.statistics_sha256}});
  json.set("steps", std::move(steps));  // not as members of the list, which are copied
  json.set("notes", std::move(notes));
  if (!plan.hessians_sha256.empty()) json.set("hessians_sha256", plan.hessians_sha256);
  const std::vector<WidthShare> widths = width_shares(plan);
  if (!widths.empty()) json.set("widths", widths_to_json(widths));
  if (plan.precision_map) json.set("precision_map", map_to_json(*plan.precision_map));
  return json;
}

Plan plan_from_json(const Json& json) {
  if (!json.is_object() || !json.find("steps"))
    throw Error(ErrorCode::kInput, "it is no plan: there are no steps in it");
  if (json.at("version").as_int64() != 1)
    fail(ErrorCode::kInput, "plan version {} is not supported; this program reads version 1",
         json.at("version").as_int64());
  Plan plan{.scheme = json.at("scheme").as_string(),
            .format = json.at("format").as_string(),
            .statistics_sha256 = json.at("statistics_sha256").as_string()};
  if (const Json* source = json.find("source_sha256"))
    plan.source_sha256 = source->as_string();
  else
    plan.tensors_sha256 = json.at("tensors_sha256").as_string();
  if (const Json* hessians = json.find("hessians_sha256")) plan.hessians_sha256 = hessians->as_string();
  for (const Json& step : json.at("steps").as_array())
    plan.steps.push_back(
        with_context(fmt::format("in step {}", plan.steps.size()), [&] { return step_from_json(step); }));
  for (const Json& note : json.at("notes").as_array()) plan.notes.push_back(note.as_string());
  if (const Json* map = json.find("precision_map")) plan.precision_map = map_from_json(*map);
  return plan;
}

}  // namespace quern
