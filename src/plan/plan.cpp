// Making plans.
#include "plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/fail.h"
#include "base/json_pieces.h"
#include "base/sha256.h"
#include "model/unknown_model.h"
#include "optim/optimizer.h"
#include "plan/choice.h"

namespace quern {
namespace {

const Codec& codec_named(const std::string& name) {
  const Codec* codec = find_codec(name);
  if (!codec) fail(ErrorCode::kInput, "the plan names the codec \"{}\", which does not exist", name);
  return *codec;
}

std::string wanted_optimizer(const PlanInput& in, const ExportedWeight& exported, const PrecisionRule* rule) {
  const Weight& weight = in.spec.weights[exported.weight];
  if (rule && !rule->optimizer.empty()) return rule->optimizer;
  const bool by_inputs = !exported.is_transposed(weight) && !weight.group.empty() && weight.axes.size() >= 2;
  if (!in.has_statistics() || !by_inputs) return best_optimizer(Optimizer::Needs::kNothing).name;
  return in.optimizer ? in.optimizer->name : best_optimizer(Optimizer::Needs::kMoments).name;
}

// Error(kInfeasible) where a codec that keeps every bit of its floats is to keep those of larger ones.
void check_kept_bits(const Weight& weight, const Codec& codec, std::string_view source_encoding) {
  const Codec* source = find_decoder(source_encoding);
  if (codec.plain && source && source->bits_per_weight > plain_codec(codec).bits_per_weight &&
      !find_codec(source->name))
    fail(ErrorCode::kInfeasible, "{} is stored as {}, which no number format keeps: {} would round it to {}",
         weight.tensor, source_encoding, codec.name, codec.plain);
}

void check_holds_numbers(const Weight& weight, const std::string& encoding) {
  if (!find_decoder(encoding))
    fail(ErrorCode::kInput,
         "{} is stored as {}, which is no number format of weights; save it as float32, float16 or bfloat16",
         weight.tensor, encoding);
}

std::string why_kept(const Weight& weight) {
  if (weight.role == kOtherRole) return "no matrix that a program finds packed";
  return weight.axes.size() < 2 ? "a vector: small and sensitive" : weight.role + ": small and sensitive";
}

PlanStep step_for(const PlanInput& in, const ExportedWeight& exported, MapApplication* map,
                  std::vector<std::string>& notes) {
  const Weight& weight = in.spec.weights[exported.weight];
  const std::string source_encoding = in.source.stored(weight).encoding;
  check_holds_numbers(weight, source_encoding);
  const FitInput fit{in.scheme, in.format, weight, &exported, source_encoding};
  const std::optional<std::size_t> r = map ? map->rule_for(weight, exported.name) : std::nullopt;
  if (!r && keeps_precision(weight))
    return {.codec = kept_encoding(fit, source_encoding), .optimizer = "rtn", .reason = why_kept(weight)};
  const PrecisionRule* rule = r ? &in.precision_map->rules[*r] : nullptr;
  const char* prescribed = is_elementwise(weight) ? in.format.vector_encoding : nullptr;
  if (rule && prescribed && rule->codec != prescribed) {
    notes.push_back(fmt::format("{}: {} instead of {}, since the runtimes of {} compute with it in no other",
                                weight.tensor, prescribed, rule->codec, in.format.name));
    return {.codec = prescribed, .optimizer = "rtn", .reason = "prescribed by the container's runtimes"};
  }
  const CodecChoice choice =
      rule ? fit_codec(fit, rule->codec, fmt::format("rule {} of the precision map (\"{}\")", *r + 1, rule->match))
           : choose_codec(fit, {weight, in.spec, source_encoding, in.has_statistics()});
  if (!choice.note.empty()) notes.push_back(choice.note);
  check_kept_bits(weight, codec_named(choice.codec), source_encoding);
  // Where every value comes back there is nothing to choose.
  const bool is_exact = codec_named(choice.codec).plain && plain_encoding(choice.codec) == source_encoding;
  const std::string optimizer =
      is_exact ? best_optimizer(Optimizer::Needs::kNothing).name : wanted_optimizer(in, exported, rule);
  return {.codec = choice.codec, .optimizer = optimizer, .reason = choice.reason};
}

}  // namespace

std::string source_table_hash(const ModelSpec& spec, const Weights& source) {
  std::string lines = source.identity() + "\n";
  for (const Weight& weight : spec.weights) {
    const StoredForm stored = source.stored(weight);
    lines += fmt::format("{} {} {}\n", weight.tensor, stored.encoding, fmt::join(stored.shape, "x"));
    for (const WeightPart& part : weight.parts) lines += fmt::format("{} {}\n", part.tensor, part.rows);
  }
  return sha256_of(std::as_bytes(std::span(lines)));
}

Plan with_notes(Plan plan, const std::vector<std::string>& notes) {
  plan.notes.insert(plan.notes.end(), notes.begin(), notes.end());
  return plan;
}

bool needs_hessians(const Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const PlanStep& step) {
    return find_optimizer(step.optimizer).needs == Optimizer::Needs::kHessian;
  });
}

Plan with_optimizer(Plan plan, const Optimizer& of, const Optimizer& instead) {
  for (PlanStep& step : plan.steps)
    if (step.optimizer == of.name) step.optimizer = instead.name;
  if (!needs_hessians(plan)) plan.hessians_sha256.clear();
  return plan;
}

std::uint64_t step_bytes(const PlanInput& in, const ExportedWeight& exported) {
  std::vector<std::string> notes;
  const PlanStep step = step_for(in, exported, nullptr, notes);
  const RowLayout rows = row_layout(exported.output_shape(in.spec.weights[exported.weight]));
  return codec_named(step.codec).stored_bytes(rows.rows, rows.cols);
}

Plan make_plan(const PlanInput& in) {
  Plan plan{.scheme = in.scheme.name,
            .format = in.format.name,
            .tensors_sha256 = source_table_hash(in.spec, in.source),
            .statistics_sha256 = in.statistics.moments};
  std::optional<MapApplication> map;
  if (in.precision_map) map.emplace(*in.precision_map);
  for (const ExportedWeight& exported : in.names.weights) {
    const Weight& weight = in.spec.weights[exported.weight];
    PlanStep step = step_for(in, exported, map ? &*map : nullptr, plan.notes);
    const RowLayout rows = row_layout(exported.output_shape(weight));
    step.tensor = exported.source_name(weight);
    step.output = exported.name;
    step.bytes = codec_named(step.codec).stored_bytes(rows.rows, rows.cols);
    step.parameters = rows.rows * rows.cols;
    plan.steps.push_back(std::move(step));
  }
  if (needs_hessians(plan)) plan.hessians_sha256 = in.statistics.hessians;
  if (map) plan.precision_map = map->finish(plan.notes);
  return plan;
}

std::vector<StoredTensor> stored_tensors(const Plan& plan) {
  std::vector<StoredTensor> tensors;
  for (const PlanStep& step : plan.steps) tensors.push_back({step.output, step.codec});
  return tensors;
}

bool have_same_codecs(const Plan& a, const Plan& b) {
  return std::ranges::equal(a.steps, b.steps, [](const PlanStep& left, const PlanStep& right) {
    return left.output == right.output && left.codec == right.codec;
  });
}

std::string most_used_codec(const Plan& plan) {
  std::map<std::string, std::uint64_t> weights;
  for (const PlanStep& step : plan.steps) weights[step.codec] += step.parameters;
  const auto most = std::ranges::max_element(weights, {}, [](const auto& row) { return row.second; });
  return most == weights.end() ? std::string() : most->first;
}

std::string estimate_note(const Plan& plan) {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;
  for (const PlanStep& step : plan.steps) {
    const Codec& codec = codec_named(step.codec);
    if (!codec.is_measured() && !codec.train) continue;
    ++tensors;
    bytes += step.bytes;
  }
  if (tensors == 0) return {};
  return fmt::format(
      "the sizes of {} of {} tensors, {} of {} bytes, are estimates: how far they can be coded is known when they are "
      "encoded",
      tensors, plan.steps.size(), bytes, plan.tensor_bytes());
}

std::uint64_t Plan::tensor_bytes() const {
  std::uint64_t sum = 0;
  for (const PlanStep& step : steps) sum += step.bytes;
  return sum;
}

std::uint64_t Plan::loaded_bytes() const {
  std::uint64_t sum = 0;
  for (const PlanStep& step : steps) {
    const Codec& codec = codec_named(step.codec);
    sum += codec.plain ? plain_codec(codec).row_bytes(step.parameters) : step.bytes;
  }
  return sum;
}

std::string Plan::sha256() const {
  Sha256 hash;
  dump_json_pieces(to_json(*this), -1, [&](std::string_view text) { hash.update(std::as_bytes(std::span(text))); });
  return hash.hex();
}

}  // namespace quern
