// Making plans and writing them down.
#include "plan/plan.h"

#include <algorithm>

#include "base/sha256.h"
#include "quern/error.h"

namespace quern {
namespace {

const Codec& codec_named(const std::string& name) {
  const Codec* codec = find_codec(name);
  if (!codec) fail(ErrorCode::kInput, "the plan names the codec \"{}\", which does not exist", name);
  return *codec;
}

bool is_matrix(const Weight& weight) { return weight.axes.size() >= 2; }

PlanStep vector_step(const PlanInput& in, const Weight& weight) {
  const char* wanted = in.format.vector_encoding;
  return {.codec = wanted ? wanted : stored_encoding(in.source, weight),
          .optimizer = "rtn",
          .reason = "a vector: small and sensitive"};
}

// What a better codec has more, at least: q3_k, q4_k, q5_k and q6_k are 1 apart, but q4_1 has only half a bit on q4_k
// and about its error.
constexpr double kWorthwhileBits = 0.75;

PlanStep matrix_step(const PlanInput& in, const Weight& weight, std::uint64_t cols, std::vector<std::string>& notes) {
  const Codec* wanted = &codec_named(in.scheme.codec_for(weight, in.spec));
  if (!in.format.holds(wanted->name, 0))
    fail(ErrorCode::kInfeasible, "scheme {} needs the number format {}, which {} cannot hold; use --format {}",
         in.scheme.name, wanted->name, in.format.name, in.scheme.format);
  const bool fits = wanted->divides(cols) && in.format.holds(wanted->name, cols);
  const Codec* chosen = fits ? wanted : next_better_codec(*wanted, in.format, cols);
  if (!chosen)
    fail(ErrorCode::kInfeasible, "no number format of {} holds rows of {} ({})", in.format.name, cols, weight.tensor);
  std::string reason = fmt::format("{} of scheme {}", weight.role, in.scheme.name);
  if (chosen != wanted) {
    reason += fmt::format("; rows of {} do not fit {}", cols, wanted->name);
    notes.push_back(fmt::format("{}: {} instead of {}, since its rows of {} do not fit that number format in {}",
                                weight.tensor, chosen->name, wanted->name, cols, in.format.name));
  }
  const bool weighted = in.has_statistics() && !weight.group.empty();
  return {.codec = chosen->name, .optimizer = weighted ? "weighted" : "rtn", .reason = std::move(reason)};
}

}  // namespace

const Codec* next_better_codec(const Codec& codec, const Format& format, std::uint64_t cols) {
  const double least_bits = codec.bits_per_weight + kWorthwhileBits;
  const Codec* best = nullptr;
  for (const Codec* other : codecs())
    if (other->bits_per_weight >= least_bits && format.holds(other->name, cols) && other->divides(cols)) best = other;
  return best;
}

Plan make_plan(const PlanInput& in) {
  Plan plan{.scheme = in.scheme.name,
            .format = in.format.name,
            .source_sha256 = in.source_sha256,
            .statistics_sha256 = in.statistics_sha256};
  for (const ExportedWeight& exported : in.names.weights) {
    const Weight& weight = in.spec.weights[exported.weight];
    const RowLayout layout = row_layout(exported.output_shape(weight));
    PlanStep step = is_matrix(weight) ? matrix_step(in, weight, layout.cols, plan.notes) : vector_step(in, weight);
    step.tensor = exported.source_name(weight);
    step.output = exported.name;
    step.bytes = layout.rows * codec_named(step.codec).row_bytes(layout.cols);
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

std::uint64_t Plan::tensor_bytes() const {
  std::uint64_t sum = 0;
  for (const PlanStep& step : steps) sum += step.bytes;
  return sum;
}

std::string Plan::sha256() const {
  const std::string text = dump_json(to_json(*this));
  return sha256_of(std::as_bytes(std::span(text)));
}

Json to_json(const Plan& plan) {
  Json::Array steps, notes(plan.notes.begin(), plan.notes.end());
  for (const PlanStep& s : plan.steps)
    steps.push_back(Json::object({{"tensor", s.tensor},
                                  {"output", s.output},
                                  {"codec", s.codec},
                                  {"optimizer", s.optimizer},
                                  {"bytes", s.bytes},
                                  {"reason", s.reason}}));
  return Json::object({{"version", 1},
                       {"scheme", plan.scheme},
                       {"format", plan.format},
                       {"source_sha256", plan.source_sha256},
                       {"statistics_sha256", plan.statistics_sha256},
                       {"steps", std::move(steps)},
                       {"notes", std::move(notes)}});
}

Plan plan_from_json(const Json& json) {
  if (json.at("version").as_int64() != 1)
    fail(ErrorCode::kInput, "plan version {} is not supported; this program reads version 1",
         json.at("version").as_int64());
  Plan plan{.scheme = json.at("scheme").as_string(),
            .format = json.at("format").as_string(),
            .source_sha256 = json.at("source_sha256").as_string(),
            .statistics_sha256 = json.at("statistics_sha256").as_string()};
  for (const Json& s : json.at("steps").as_array())
    plan.steps.push_back({s.at("tensor").as_string(), s.at("output").as_string(), s.at("codec").as_string(),
                          s.at("optimizer").as_string(), s.at("bytes").as_uint64(), s.at("reason").as_string()});
  for (const Json& note : json.at("notes").as_array()) plan.notes.push_back(note.as_string());
  return plan;
}

}  // namespace quern
