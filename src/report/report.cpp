// The report as JSON.
#include "report/report.h"

#include "quern/version.h"

namespace quern {
namespace {

Json to_json(const Estimate& e) { return Json::object({{"value", e.value}, {"standard_error", e.standard_error}}); }

Json text_to_json(const std::optional<TextUse>& text) { return text ? to_json(*text) : Json(); }

Json size_to_json(const std::optional<SizeChoice>& size) {
  if (!size) return Json();
  const auto point = [](const SizePoint& p) { return Json::object({{"bytes", p.bytes}, {"kld", p.kld}}); };
  Json::Array curve;
  for (const SizePoint& p : size->curve) curve.push_back(point(p));
  return Json::object({{"most_bytes", size->most}, {"chosen", point(size->chosen)}, {"curve", std::move(curve)}});
}

void add_measured(const TensorFacts& facts, Json& tensor) {
  if (facts.kld) tensor.set("measured_alone", Json::object({{"codec", facts.measured_codec}, {"kld", *facts.kld}}));
  if (facts.predicted_kld) tensor.set("predicted_kld", *facts.predicted_kld);
}

Json ladder_to_json(const std::vector<Trial>& ladder) {
  Json::Array trials;
  for (const Trial& trial : ladder) {
    Json& json = trials.emplace_back(Json::object({{"plan_sha256", trial.plan.sha256()},
                                                   {"tensor_bytes", trial.plan.tensor_bytes()},
                                                   {"encoded_tensors", trial.encoded_tensors},
                                                   {"gate", trial.gate ? to_json(*trial.gate) : Json()}}));
    json.set("plan", to_json(trial.plan));
  }
  return trials;
}

Json tensors_to_json(const std::vector<ReportedTensor>& reported) {
  Json::Array tensors;
  for (const auto& [step, error, facts] : reported) {
    Json& tensor = tensors.emplace_back(
        Json::object({{"tensor", step.tensor},
                      {"codec", step.codec},
                      {"bytes", step.bytes},
                      {"relative_error", error.relative_plain()},
                      {"relative_weighted_error", error.relative_weighted()},
                      {"relative_output_error", error.output_energy > 0 ? Json(error.relative_loss()) : Json()},
                      {"optimizer", step.optimizer},
                      {"role", facts.role},
                      {"layer", facts.layer < 0 ? Json() : Json(facts.layer)}}));
    if (step.is_sequential()) tensor.set("calibration", kSequentialCalibration);
    add_measured(facts, tensor);
  }
  return tensors;
}

}  // namespace

Json to_json(const TextUse& text) {
  return Json::object(
      {{"path", text.path}, {"sha256", text.sha256}, {"windows", text.windows}, {"window_length", text.window_length}});
}

Json to_json(const Quality& q) {
  return Json::object({{"windows", q.windows},
                       {"tokens", q.tokens},
                       {"original_perplexity", to_json(q.original_perplexity)},
                       {"perplexity", to_json(q.perplexity)},
                       {"perplexity_increase", to_json(q.perplexity_increase)},
                       {"mean_kld", to_json(q.mean_kld)},
                       {"median_kld", to_json(q.median_kld)},
                       {"kld_99", to_json(q.kld_99)},
                       {"same_top", to_json(q.same_top)}});
}

Json to_json(const Report& r) {
  const auto ratio = [](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(from) / static_cast<double>(to);
  };
  Json json =
      Json::object({{"schema", 1},
                    {"quern", kVersion},
                    {"model", r.model_name},
                    {"contents", r.contents},
                    {"source_quantized", r.quantized.empty() ? Json() : Json(r.quantized)},
                    {"architecture", r.architecture},
                    {"command", r.command},
                    {"accepted", r.accepted},
                    {"can_run", r.can_run},
                    {"parameters", r.parameters},
                    {"source_sha256", r.source_sha256},
                    {"source_bytes", r.source_bytes},
                    {"fp32_bytes", r.fp32_bytes()},
                    {"output_bytes", r.output_bytes},
                    {"ratio_to_source", ratio(r.source_bytes, r.output_bytes)},
                    {"ratio_to_fp32", ratio(r.fp32_bytes(), r.output_bytes)},
                    {"bits_per_weight", r.bits_per_weight(r.output_bytes)},
                    {"instruction_set", r.instruction_set},
                    {"precision", r.precision},
                    {"calibration_text", text_to_json(r.calibration)},
                    {"gate_text", text_to_json(r.gate_text)},
                    {"report_text", text_to_json(r.report_text)},
                    {"bound", Json::object({{"max_perplexity_increase", json_or_null(r.bound.max_perplexity_increase)},
                                            {"max_kld", json_or_null(r.bound.max_kld)}})},
                    {"quality", r.quality ? to_json(*r.quality) : Json()}});
  // Members of a list are copied, and these may be large.
  json.set("tensors", tensors_to_json(r.tensors));
  json.set("size", size_to_json(r.size));
  json.set("ladder", ladder_to_json(r.ladder));
  json.set("notes", Json::Array(r.notes.begin(), r.notes.end()));
  json.set("seconds", r.seconds);
  return json;
}

}  // namespace quern
