// Llama and Mistral.
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"

namespace quern {
namespace {

constexpr const char* kName = "llama";
constexpr DecoderMember kMembers[] = {
    {{"LlamaForCausalLM", "llama"}, 2048, 0, 0, std::nullopt, 1e-6, 10000},
    {{"MistralForCausalLM", "mistral"}, 131072, 8, 0, 4096, 1e-6, 10000},
};
constexpr TransformersClass kClasses[] = {kMembers[0].name, kMembers[1].name};

bool recognises(const Checkpoint& checkpoint) {
  return (is_gguf_of(checkpoint, kName) && !is_gguf_mixture(checkpoint)) || find_class(checkpoint, kClasses) >= 0;
}

bool has_tensors(const Checkpoint& checkpoint) {
  return !has_suffixes(checkpoint, {"q_norm.weight"}) && !has_suffixes(checkpoint, {"attn_q_norm.weight"}) &&
         !has_suffixes(checkpoint, {"attn_sub_norm.weight"}) &&
         (has_suffixes(checkpoint, {"self_attn.q_proj.weight", "mlp.gate_proj.weight"}) ||
          has_suffixes(checkpoint, {"attn_q.weight", "ffn_gate.weight"}));
}

const std::vector<TensorRow>& tensor_rows() {
  static const std::vector<TensorRow> rows = joined({decoder_model_rows(), attention_rows(), gated_mlp_rows()});
  return rows;
}

const DecoderMember& member_of(const Checkpoint& checkpoint) {
  return kMembers[std::max(0, find_class(checkpoint, kClasses))];
}

bool has_name(std::string_view tensor) {
  static const FamilyNames names(tensor_rows(), decoder_roots());
  return is_rotary_table(tensor) || names.contains(tensor);
}

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  HyperParameters parameters(checkpoint, "llama.", use);
  const Naming naming = find_naming(checkpoint, decoder_roots());
  const DecoderMember& member = member_of(checkpoint);
  const DecoderConfig config = read_decoder(parameters, member, naming, tensor_rows());
  const bool from_config = parameters.source() == HyperParameters::Source::kTransformers;
  const auto bias = [&](const char* name) -> TensorOption {
    if (from_config && &member != &kMembers[0]) return {name, false, member.name.architecture};  // it has no such key
    return {name, parameters.flag({name, nullptr})};
  };
  SpecBuilder builder(kName, parameters, naming, tensor_rows(),
                      {bias("attention_bias"), bias("mlp_bias"), head_option(parameters, config.tied_head)},
                      is_rotary_table);
  const AttentionParts parts{rope_op(config.rope, parameters["head_dim"], llama_pairing(naming)), config.window};
  return builder.build([&] { lay_embedding(builder); },
                       [&] {
                         lay_attention(builder, parameters, config, parts);
                         lay_gated_mlp(builder, config);
                       },
                       [&] { lay_final_norm(builder, config); });
}

ExportMap to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  HyperParameters parameters(checkpoint, "llama.", ConfigUse::kTrust);
  const Naming naming = find_naming(checkpoint, decoder_roots());
  const DecoderConfig config = read_decoder(parameters, member_of(checkpoint), naming, tensor_rows());
  ExportMap map;
  map.metadata = decoder_metadata(spec, checkpoint, config, kName);
  map.weights = exported_weights(spec);
  add_rope_and_window(map, spec, config);
  if (!naming.gguf) pair_neighbours(spec, map.weights);
  return map;
}

ExportMap to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  HyperParameters parameters(checkpoint, "llama.", ConfigUse::kTrust);
  const Naming naming = find_naming(checkpoint, decoder_roots());
  const DecoderConfig config = read_decoder(parameters, kMembers[0], naming, tensor_rows());
  ExportMap map = decoder_to_transformers(spec, config, kClasses[0], tensor_rows());
  pair_halves(spec, map.weights);
  return map;
}

}  // namespace

const Architecture kLlama = {
    .name = kName,
    .summary = "RMS norms, rotary positions, grouped-query attention, gated MLP",
    .models = "Llama 1 to 3.2, TinyLlama, Mistral 7B",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
    .to_transformers = to_transformers,
};

}  // namespace quern
