// Qwen3: a Llama whose queries and keys are normalised a head at a time before they rotate.
#include "base/fail.h"
#include "base/python_json.h"
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"

namespace quern {
namespace {

constexpr const char* kName = "qwen3";
constexpr DecoderMember kMember{{"Qwen3ForCausalLM", "qwen3"}, 32768, 32, 128, std::nullopt, 1e-6, 10000};
constexpr TransformersClass kClasses[] = {kMember.name};

bool recognises(const Checkpoint& checkpoint) {
  return is_gguf_of(checkpoint, kName) || find_class(checkpoint, kClasses) >= 0;
}

bool has_tensors(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {"self_attn.q_norm.weight", "self_attn.q_proj.weight", "mlp.gate_proj.weight"}) ||
         has_suffixes(checkpoint, {"attn_q_norm.weight", "attn_q.weight", "ffn_gate.weight"});
}

std::vector<TensorRow> tensor_rows() {
  return joined({decoder_model_rows(),
                 attention_rows(),
                 {{"attn_q_norm", "attn.q_norm", "self_attn.q_norm.weight", "attn_q_norm.weight", {"head_dim"}},
                  {"attn_k_norm", "attn.k_norm", "self_attn.k_norm.weight", "attn_k_norm.weight", {"head_dim"}}},
                 gated_mlp_rows()});
}

// The first layer whose attention slides; as many as there are layers: none.
std::uint64_t first_window_layer(const HyperParameters& parameters) {
  const std::uint64_t layers = parameters["layers"];
  if (!parameters.flag({"use_sliding_window", nullptr}).value_or(false)) return layers;
  return std::min(layers, parameters.whole({"max_window_layers", nullptr}).value_or(28));
}

// "layer_types" says the same layer by layer; what only it can say is refused.
void check_layer_types(const HyperParameters& parameters, std::uint64_t first_window) {
  const Json* types = parameters.source() == HyperParameters::Source::kTransformers
                          ? parameters.checkpoint().config().find("layer_types")
                          : nullptr;
  if (!types || types->is_null()) return;
  for (std::size_t i = 0; i < types->as_array().size(); ++i)
    if (types->as_array()[i] != Json(i >= first_window ? "sliding_attention" : "full_attention"))
      fail(ErrorCode::kInput,
           "config.json says layer_types {} for layer {}, but use_sliding_window and max_window_layers say otherwise",
           dump_python_json(types->as_array()[i]), i);
}

struct Qwen3 {
  HyperParameters parameters;
  Naming naming;
  DecoderConfig config;
  std::uint64_t first_window = 0;

  Qwen3(const Checkpoint& checkpoint, ConfigUse use)
      : parameters(checkpoint, "qwen3.", use), naming(find_naming(checkpoint, decoder_roots())) {
    config = read_decoder(parameters, kMember, naming, tensor_rows());
    first_window = first_window_layer(parameters);
    check_layer_types(parameters, first_window);
    config.window = first_window < parameters["layers"] ? read_window(parameters, 4096) : 0;
  }
};

bool has_name(std::string_view tensor) {
  static const FamilyNames names(tensor_rows(), decoder_roots());
  return is_rotary_table(tensor) || names.contains(tensor);
}

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  Qwen3 model(checkpoint, use);
  HyperParameters& parameters = model.parameters;
  SpecBuilder builder(kName, parameters, model.naming, tensor_rows(),
                      {{"attention_bias", parameters.flag({"attention_bias", nullptr})},
                       {"mlp_bias", false, kMember.name.architecture},
                       head_option(parameters, model.config.tied_head)},
                      is_rotary_table);
  AttentionParts parts{rope_op(model.config.rope, parameters["head_dim"], RopeOp::Pairing::kHalves), 0,
                       HeadNorms::kQueryAndKey};
  std::uint64_t layer = 0;
  return builder.build([&] { lay_embedding(builder); },
                       [&] {
                         parts.window = layer++ >= model.first_window ? model.config.window : 0;
                         lay_attention(builder, parameters, model.config, parts);
                         lay_gated_mlp(builder, model.config);
                       },
                       [&] { lay_final_norm(builder, model.config); });
}

ExportMap to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  refuse_roles(spec, {"attn.o.bias"});  // llama.cpp's loader takes biases of q, k and v only
  const Qwen3 model(checkpoint, ConfigUse::kTrust);
  ExportMap map;
  map.metadata = decoder_metadata(spec, checkpoint, model.config, kName);
  map.weights = exported_weights(spec);
  add_rope_and_window(map, spec, model.config);
  return map;
}

ExportMap to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Qwen3 model(checkpoint, ConfigUse::kTrust);
  return decoder_to_transformers(spec, model.config, kMember.name, tensor_rows());
}

}  // namespace

const Architecture kQwen3 = {
    .name = kName,
    .summary = "a Llama with normalised queries and keys",
    .models = "Qwen3 0.6B to 32B (the dense ones)",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
    .to_transformers = to_transformers,
};

}  // namespace quern
