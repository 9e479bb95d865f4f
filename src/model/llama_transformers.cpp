// config.json of LlamaForCausalLM and MistralForCausalLM, with the defaults of transformers' configuration classes.
#include <optional>

#include "model/llama_source.h"
#include "quern/error.h"

namespace quern {
namespace {

// What the family members do not share.
struct Member {
  std::string_view architecture, model_type;
  std::uint64_t default_context;
  std::uint64_t default_kv_heads;  // 0: as many as heads
  std::uint64_t default_window;    // where "sliding_window" is absent (not null); 0: the model has none
  bool may_have_biases;
};
constexpr Member kMembers[] = {
    {"LlamaForCausalLM", "llama", 2048, 0, 0, true},
    {"MistralForCausalLM", "mistral", 131072, 8, 4096, false},
};

const Member* find_member(const Json& config) {
  const Json* names = config.find("architectures");
  const Json* type = config.find("model_type");
  const bool named = names && names->is_array() && !names->as_array().empty();
  for (const Member& member : kMembers) {
    if (named ? names->as_array().front() == Json(member.architecture) : type && *type == Json(member.model_type))
      return &member;
  }
  return nullptr;
}

// Runs `convert` on a member that is there and not null.
template <typename Convert>
auto value_of(const Json& object, std::string_view key, Convert convert) -> std::optional<decltype(convert(object))> {
  const Json* value = object.find(key);
  if (!value || value->is_null()) return std::nullopt;
  return with_context(fmt::format("while reading {} in config.json", key), [&] { return convert(*value); });
}

std::optional<std::uint64_t> whole(const Json& object, std::string_view key) {
  return value_of(object, key, [](const Json& v) { return v.as_uint64(); });
}
std::optional<double> real(const Json& object, std::string_view key) {
  return value_of(object, key, [](const Json& v) { return v.as_double(); });
}
std::optional<bool> flag(const Json& object, std::string_view key) {
  return value_of(object, key, [](const Json& v) { return v.as_bool(); });
}
std::optional<std::string> text(const Json& object, std::string_view key) {
  return value_of(object, key, [](const Json& v) { return v.as_string(); });
}

template <typename T>
T required(std::optional<T> value, std::string_view key) {
  if (!value) fail(ErrorCode::kInput, "config.json has no {}", key);
  return *value;
}

RopeScaling read_scaling(const Json& rope, const LlamaConfig& config) {
  RopeScaling scaling;
  const std::string type = text(rope, "rope_type").value_or(text(rope, "type").value_or("default"));
  if (type == "default" || type == "none") return scaling;
  if (type != "linear" && type != "llama3") {
    fail(ErrorCode::kInput,
         "config.json asks for rotary scaling \"{}\", which is not supported; only linear and llama3 are", type);
  }
  scaling.kind = type == "linear" ? RopeScaling::Kind::kLinear : RopeScaling::Kind::kLlama3;
  scaling.factor = required(real(rope, "factor"), "factor of the rotary scaling");
  if (scaling.kind == RopeScaling::Kind::kLinear) return scaling;
  scaling.low_freq_factor = required(real(rope, "low_freq_factor"), "low_freq_factor of the rotary scaling");
  scaling.high_freq_factor = required(real(rope, "high_freq_factor"), "high_freq_factor of the rotary scaling");
  scaling.original_context =
      real(rope, "original_max_position_embeddings").value_or(static_cast<double>(config.context));
  if (!(scaling.low_freq_factor > 0 && scaling.high_freq_factor > scaling.low_freq_factor &&
        scaling.original_context > 0)) {
    fail(ErrorCode::kInput,
         "config.json has low_freq_factor {}, high_freq_factor {} and original_max_position_embeddings {} for the "
         "rotary scaling; 0 < low < high "
         "and a positive length are needed",
         scaling.low_freq_factor, scaling.high_freq_factor, scaling.original_context);
  }
  return scaling;
}

// "rope_parameters" (transformers 5) or "rope_scaling" with "rope_theta" beside it.
void read_rope(const Json& json, LlamaConfig& config) {
  const Json none = Json::object();
  const Json* rope = json.find("rope_parameters");
  if (!rope || rope->is_null()) rope = json.find("rope_scaling");
  if (!rope || rope->is_null()) rope = &none;
  for (const auto& [key, value] : rope->as_object()) {
    if (value.is_object())
      fail(ErrorCode::kInput, "config.json gives rotary parameters for \"{}\" apart, which is not supported", key);
  }
  for (const Json* place : {rope, &json}) {
    if (const auto part = real(*place, "partial_rotary_factor"); part && *part != 1) {
      fail(ErrorCode::kInput, "config.json says partial_rotary_factor {}; only whole heads are supported", *part);
    }
  }
  config.rope_base = real(*rope, "rope_theta").value_or(real(json, "rope_theta").value_or(10000));
  config.rope_scaling = read_scaling(*rope, config);
}

std::uint32_t read_window(const Json& json, const Member& member) {
  if (member.default_window == 0) return 0;
  const Json* given = json.find("sliding_window");
  if (given && given->is_null()) return 0;
  const std::uint64_t window = whole(json, "sliding_window").value_or(member.default_window);
  if (window == 0 || window > UINT32_MAX)
    fail(ErrorCode::kInput, "config.json says sliding_window {}; null means none", window);
  return static_cast<std::uint32_t>(window);
}

}  // namespace

bool is_llama_transformers(const Checkpoint& checkpoint) { return find_member(checkpoint.config()) != nullptr; }

LlamaConfig read_llama_transformers(const Checkpoint& checkpoint) {
  const Json& json = checkpoint.config();
  const Member* member = find_member(json);
  ensure(member != nullptr, "the configuration of {} is not of the Llama family", checkpoint.path().string());
  const auto extent = [&](std::string_view key) { return required(whole(json, key), key); };
  LlamaConfig config;
  config.naming = LlamaNaming::kTransformers;
  config.hidden = extent("hidden_size");
  config.layers = extent("num_hidden_layers");
  config.heads = extent("num_attention_heads");
  if (config.heads == 0) fail(ErrorCode::kInput, "config.json says num_attention_heads 0");
  const Json* kv_heads = json.find("num_key_value_heads");
  const std::uint64_t absent_kv_heads = member->default_kv_heads && !kv_heads ? member->default_kv_heads : config.heads;
  config.kv_heads = whole(json, "num_key_value_heads").value_or(absent_kv_heads);
  config.head_dim = whole(json, "head_dim").value_or(config.hidden / config.heads);
  config.inner = extent("intermediate_size");
  config.vocab = extent("vocab_size");
  config.context = whole(json, "max_position_embeddings").value_or(member->default_context);
  config.epsilon = real(json, "rms_norm_eps").value_or(1e-6);
  config.attention_bias = member->may_have_biases && flag(json, "attention_bias").value_or(false);
  config.mlp_bias = member->may_have_biases && flag(json, "mlp_bias").value_or(false);
  config.window = read_window(json, *member);
  const std::optional<bool> tied = flag(json, "tie_word_embeddings");
  if (tied == false && !checkpoint.find("lm_head.weight"))
    fail(ErrorCode::kInput,
         "config.json says tie_word_embeddings false, but there is no lm_head.weight; set it to true if the head is "
         "the embedding");
  config.tied_head = tied.value_or(false) || !checkpoint.find("lm_head.weight");
  if (const std::string act = text(json, "hidden_act").value_or("silu"); act != "silu") {
    fail(ErrorCode::kInput, "config.json says hidden_act \"{}\"; only \"silu\" is supported", act);
  }
  read_rope(json, config);
  return config;
}

}  // namespace quern
