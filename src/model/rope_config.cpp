// "rope_parameters" (transformers 5), or "rope_scaling" with "rope_theta" beside it; "rope." keys and
// rope_freqs.weight of a GGUF file.
#include "model/rope_config.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/fail.h"
#include "base/printable.h"
#include "model/hyper_table.h"
#include "model/rope_fit.h"

namespace quern {
namespace {

constexpr const char* kFactors = "rope_freqs.weight";

struct ScalingName {
  std::string_view name;
  RopeScaling::Kind kind;
};
constexpr ScalingName kScalings[] = {
    {"linear", RopeScaling::Kind::kLinear}, {"llama3", RopeScaling::Kind::kLlama3}, {"yarn", RopeScaling::Kind::kYarn}};

// A value of the rotary object of config.json.
std::optional<double> rope_real(const Json& rope, const char* key) {
  const Json* value = rope.find(key);
  if (!value || value->is_null()) return std::nullopt;
  return with_context(fmt::format("while reading {} in config.json", key), [&] { return value->as_double(); });
}

std::optional<std::string> rope_text(const Json& rope, const char* key) {
  const Json* value = rope.find(key);
  if (!value || value->is_null()) return std::nullopt;
  return with_context(fmt::format("while reading {} in config.json", key), [&] { return value->as_string(); });
}

double required(const Json& rope, const char* key) {
  const auto value = rope_real(rope, key);
  if (!value) fail(ErrorCode::kInput, "config.json has no {} of the rotary scaling", key);
  return *value;
}

// transformers' _compute_yarn_parameters.
// Of a context, so that it is an integer of every container.
constexpr double kMostPositions = 4294967296.0;

void read_yarn(const Json& rope, RopeScaling& scaling) {
  scaling.beta_fast = rope_real(rope, "beta_fast").value_or(0);
  scaling.beta_slow = rope_real(rope, "beta_slow").value_or(0);
  if (scaling.beta_fast == 0) scaling.beta_fast = RopeScaling().beta_fast;
  if (scaling.beta_slow == 0) scaling.beta_slow = RopeScaling().beta_slow;
  if (const Json* truncate = rope.find("truncate"); truncate && truncate->is_bool() && !truncate->as_bool())
    scaling.bounds = RopeScaling::Bounds::kExact;
  const double scale = rope_real(rope, "mscale").value_or(0), of_all = rope_real(rope, "mscale_all_dim").value_or(0);
  const auto scaled = [&](double by) {
    return scaling.factor <= 1 ? 1 : 1 + by * (yarn_attention_factor(scaling.factor) - 1);
  };
  scaling.attention_factor = rope_real(rope, "attention_factor")
                                 .value_or(scale != 0 && of_all != 0 ? scaled(scale) / scaled(of_all) : scaled(1));
  if (!(scaling.original_context < kMostPositions))
    fail(ErrorCode::kInput, "config.json has original_max_position_embeddings {} for YaRN", scaling.original_context);
  if (!(scaling.beta_slow > 0 && scaling.beta_fast > scaling.beta_slow && scaling.original_context > 0 &&
        scaling.attention_factor > 0))
    fail(ErrorCode::kInput,
         "config.json has beta_fast {}, beta_slow {}, attention_factor {} and original_max_position_embeddings {} for "
         "YaRN; 0 < beta_slow < beta_fast and positive values are needed",
         scaling.beta_fast, scaling.beta_slow, scaling.attention_factor, scaling.original_context);
}

RopeScaling transformers_scaling(const Json& rope, std::uint64_t context) {
  RopeScaling scaling;
  const std::string type = rope_text(rope, "rope_type").value_or(rope_text(rope, "type").value_or("default"));
  if (type == "default" || type == "none") return scaling;
  const auto row = std::ranges::find(kScalings, type, &ScalingName::name);
  if (row == std::end(kScalings))
    fail(ErrorCode::kInfeasible,
         "config.json asks for rotary scaling \"{}\", which is not computed; only linear, llama3 and yarn are",
         printable_line(type));
  scaling.kind = row->kind;
  scaling.original_context = rope_real(rope, "original_max_position_embeddings").value_or(static_cast<double>(context));
  if (type == "yarn" && !rope_real(rope, "factor"))
    scaling.factor = static_cast<double>(context) / scaling.original_context;
  else
    scaling.factor = required(rope, "factor");
  if (scaling.kind == RopeScaling::Kind::kYarn) read_yarn(rope, scaling);
  if (scaling.kind != RopeScaling::Kind::kLlama3) return scaling;
  scaling.low_freq_factor = required(rope, "low_freq_factor");
  scaling.high_freq_factor = required(rope, "high_freq_factor");
  if (!(scaling.low_freq_factor > 0 && scaling.high_freq_factor > scaling.low_freq_factor &&
        scaling.original_context > 0))
    fail(ErrorCode::kInput,
         "config.json has low_freq_factor {}, high_freq_factor {} and original_max_position_embeddings {} for the "
         "rotary scaling; 0 < low < high and a positive length are needed",
         scaling.low_freq_factor, scaling.high_freq_factor, scaling.original_context);
  return scaling;
}

// Where both are there transformers 5 computes with the older one, which people add by hand.
const Json* rope_object(const Json& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"})
    if (const Json* rope = config.find(key);
        rope && !rope->is_null() && !(rope->is_object() && rope->as_object().empty()))
      return rope;
  return nullptr;
}

std::optional<double> transformers_base(const Json& config) {
  const Json* rope = rope_object(config);
  const std::optional<double> within = rope ? rope_real(*rope, "rope_theta") : std::nullopt;
  return within ? within : rope_real(config, "rope_theta");
}

Evidence base_evidence(const HyperParameters& parameters, double base) {
  const HyperKey key{"rope_theta", "rope.freq_base"};
  const bool stated = parameters.source() == HyperParameters::Source::kTransformers
                          ? transformers_base(parameters.checkpoint().config()).has_value()
                          : parameters.real(key).has_value();
  if (!stated) return {"rotary base", fmt::format("{:g}", base), kUsualValue, Evidence::Kind::kAssumed};
  return {"rotary base", fmt::format("{:g}", base), fmt::format("{} {}", parameters.place(), parameters.word(key))};
}

RopeConfig read_transformers(const Json& json, std::uint64_t context, double usual_base) {
  const Json none = Json::object();
  const Json* given = rope_object(json);
  const Json* rope = given ? given : &none;
  for (const auto& [key, value] : rope->as_object())
    if (value.is_object())
      fail(ErrorCode::kInfeasible, "config.json gives rotary parameters for \"{}\" apart, which is not supported", key);
  for (const Json* place : {rope, &json})
    if (const auto part = rope_real(*place, "partial_rotary_factor"); part && *part != 1)
      fail(ErrorCode::kInfeasible, "config.json says partial_rotary_factor {}; only whole heads are supported", *part);
  RopeConfig config;
  config.base = transformers_base(json).value_or(usual_base);
  config.scaling = transformers_scaling(*rope, context);
  return config;
}

// llama.cpp multiplies by attn_factor beside YaRN's own factor.
RopeScaling gguf_yarn(const HyperParameters& parameters) {
  RopeScaling scaling{.kind = RopeScaling::Kind::kYarn};
  const auto real = [&](const char* key, double otherwise) {
    return parameters.real({nullptr, key}).value_or(otherwise);
  };
  scaling.factor = real("rope.scaling.factor", 1);
  scaling.original_context = real("rope.scaling.original_context_length", static_cast<double>(parameters["context"]));
  scaling.beta_fast = real("rope.scaling.yarn_beta_fast", scaling.beta_fast);
  scaling.beta_slow = real("rope.scaling.yarn_beta_slow", scaling.beta_slow);
  scaling.attention_factor = yarn_attention_factor(scaling.factor) * real("rope.scaling.attn_factor", 1);
  if (!(scaling.beta_slow > 0 && scaling.beta_fast > scaling.beta_slow && scaling.original_context > 0))
    fail(ErrorCode::kInput, "the GGUF metadata has YaRN with betas {} and {} and an original context of {}",
         scaling.beta_fast, scaling.beta_slow, scaling.original_context);
  return scaling;
}

RopeScaling gguf_scaling(const HyperParameters& parameters) {
  RopeScaling scaling;
  const std::string type = parameters.text({nullptr, "rope.scaling.type"}).value_or("");
  if (type == "none") return scaling;
  if (type == "yarn") return gguf_yarn(parameters);
  if (!type.empty() && type != "linear")
    fail(ErrorCode::kInfeasible,
         "the GGUF metadata says {} \"{}\", which is not computed; only none, linear and yarn are",
         parameters.word({nullptr, "rope.scaling.type"}), type);
  // Without a type llama.cpp scales linearly too; "scale_linear" is what old files call the factor. 0 stands for 1
  // there.
  scaling.factor = parameters.real({nullptr, "rope.scaling.factor"})
                       .value_or(parameters.real({nullptr, "rope.scale_linear"}).value_or(1));
  if (scaling.factor == 0) scaling.factor = 1;
  scaling.kind = scaling.factor == 1 ? RopeScaling::Kind::kNone : RopeScaling::Kind::kLinear;
  return scaling;
}

std::vector<float> read_factors(const Checkpoint& checkpoint, std::uint64_t head_dim) {
  const TensorEntry* entry = checkpoint.find(kFactors);
  if (!entry) return {};
  if (entry->encoding != kFloat32 || entry->shape != Shape{head_dim / 2} || entry->parts.size() != 1)
    fail(ErrorCode::kInput, "{} is {} {}, but a head dimension of {} needs f32 [{}]", kFactors, entry->encoding,
         to_string(entry->shape), head_dim, head_dim / 2);
  std::vector<float> factors(head_dim / 2);
  checkpoint.read(*entry, 0, 0, std::as_writable_bytes(std::span(factors)));
  for (const float factor : factors)
    if (!(factor > 0 && factor < 1e9f))
      fail(ErrorCode::kInput, "{} holds {}, which cannot divide a frequency", kFactors, factor);
  return factors;
}

void check(const HyperParameters& parameters, const RopeConfig& rope) {
  if (parameters["head_dim"] % 2 != 0)
    fail(ErrorCode::kInput, "{} makes the head dimension {}, but rotary positions need an even one", parameters.place(),
         parameters["head_dim"]);
  const std::pair<const char*, double> positive[] = {
      {"the base of the rotary frequencies", rope.base},
      {"the scaling factor of the rotary frequencies", rope.scaling.factor}};
  for (const auto& [what, value] : positive)
    if (!std::isfinite(value) || value <= 0)
      fail(ErrorCode::kInput, "{} gives {} as {}", parameters.place(), value, what);
}

}  // namespace

RopeConfig read_rope(HyperParameters& parameters, double usual_base) {
  using Source = HyperParameters::Source;
  RopeConfig config{.base = usual_base, .scaling = {}, .factors = {}};
  if (parameters.source() == Source::kTransformers)
    config = read_transformers(parameters.checkpoint().config(), parameters["context"], usual_base);
  if (parameters.source() == Source::kGguf) {
    config.base = parameters.real({nullptr, "rope.freq_base"}).value_or(usual_base);
    config.scaling = gguf_scaling(parameters);
  }
  if (parameters.checkpoint().find("token_embd.weight"))
    config.factors = read_factors(parameters.checkpoint(), parameters["head_dim"]);
  check(parameters, config);
  parameters.note(base_evidence(parameters, config.base));
  return config;
}

RopeOp rope_op(const RopeConfig& rope, std::uint64_t head_dim, RopeOp::Pairing pairing) {
  const auto width = static_cast<std::uint32_t>(head_dim);
  RopeOp op{width, pairing, rope_frequencies(width, rope.base)};
  const std::vector<double> divisors = rope_divisors(op.inverse_frequencies, rope.scaling);
  for (std::size_t i = 0; i < divisors.size(); ++i)
    op.inverse_frequencies[i] /= divisors[i] * (rope.factors.empty() ? 1.0 : rope.factors[i]);
  return op;
}

std::vector<ExtraTensor> rope_extras(const RopeConfig& rope, std::uint64_t head_dim) {
  std::vector<float> factors = rope.factors;
  if (rope.scaling.kind == RopeScaling::Kind::kLlama3) {
    const auto frequencies = rope_frequencies(static_cast<std::uint32_t>(head_dim), rope.base);
    for (const double divisor : rope_divisors(frequencies, rope.scaling))
      factors.push_back(static_cast<float>(divisor));
  }
  if (factors.empty()) return {};
  return {{kFactors, std::move(factors)}};
}

void set_rope_metadata(Metadata& metadata, const std::string& prefix, const RopeConfig& rope, std::uint64_t head_dim) {
  metadata.set(prefix + "rope.freq_base", static_cast<float>(rope.base));
  metadata.set(prefix + "rope.dimension_count", static_cast<std::uint32_t>(head_dim));
  const RopeScaling& scaling = rope.scaling;
  const bool yarn = scaling.kind == RopeScaling::Kind::kYarn;
  if (scaling.kind != RopeScaling::Kind::kLinear && !yarn) return;
  metadata.set(prefix + "rope.scaling.type", std::string(yarn ? "yarn" : "linear"));
  metadata.set(prefix + "rope.scaling.factor", static_cast<float>(scaling.factor));
  if (!yarn) return;
  if (scaling.bounds == RopeScaling::Bounds::kExact)
    fail(ErrorCode::kInfeasible, "YaRN without truncated bounds has no place in a GGUF file");
  metadata.set(prefix + "rope.scaling.original_context_length", static_cast<std::uint32_t>(scaling.original_context));
  const RopeScaling usual;
  if (scaling.beta_fast != usual.beta_fast)
    metadata.set(prefix + "rope.scaling.yarn_beta_fast", static_cast<float>(scaling.beta_fast));
  if (scaling.beta_slow != usual.beta_slow)
    metadata.set(prefix + "rope.scaling.yarn_beta_slow", static_cast<float>(scaling.beta_slow));
  const double attention = scaling.attention_factor / yarn_attention_factor(scaling.factor);
  if (std::abs(attention - 1) > 1e-6) metadata.set(prefix + "rope.scaling.attn_factor", static_cast<float>(attention));
}

namespace {

Json yarn_config(const RopeScaling& scaling) {
  return Json::object({{"rope_type", "yarn"},
                       {"factor", shortest_decimal(scaling.factor)},
                       {"original_max_position_embeddings", static_cast<std::uint64_t>(scaling.original_context)},
                       {"beta_fast", shortest_decimal(scaling.beta_fast)},
                       {"beta_slow", shortest_decimal(scaling.beta_slow)},
                       {"attention_factor", scaling.attention_factor}});
}

}  // namespace

void set_rope_config(Json& config, const RopeConfig& rope, std::uint64_t head_dim) {
  config.set("rope_theta", shortest_decimal(rope.base));
  RopeScaling scaling = rope.scaling;
  if (!rope.factors.empty()) {
    const auto frequencies = rope_frequencies(static_cast<std::uint32_t>(head_dim), rope.base);
    const auto found = llama3_scaling_of(frequencies, rope.factors);
    if (!found || scaling.kind != RopeScaling::Kind::kNone)
      fail(ErrorCode::kInfeasible, "{} divides the rotary frequencies as no scaling of transformers does", kFactors);
    scaling = *found;
  }
  if (scaling.kind == RopeScaling::Kind::kNone) return;
  if (scaling.kind == RopeScaling::Kind::kYarn) {
    config.set("rope_scaling", yarn_config(scaling));
    return;
  }
  const bool llama3 = scaling.kind == RopeScaling::Kind::kLlama3;
  Json json = Json::object({{"rope_type", llama3 ? "llama3" : "linear"}, {"factor", shortest_decimal(scaling.factor)}});
  if (llama3) {
    json.set("low_freq_factor", scaling.low_freq_factor);
    json.set("high_freq_factor", scaling.high_freq_factor);
    json.set("original_max_position_embeddings", static_cast<std::uint64_t>(scaling.original_context));
  }
  config.set("rope_scaling", std::move(json));
}

}  // namespace quern
