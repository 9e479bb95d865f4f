// BitNet b1.58: a Llama with a norm in front of each matrix that leads back to the hidden state, and ReLU^2 in the
// gate. Its matrices were trained to have three values and its activations eight bits; here activations stay floats.
//
// GGUF has no key for the activation function, so that the name of the architecture says it: llama.cpp's "bitnet" is
// computed with SiLU (the reproductions of 1bitLLM have it), "bitnet-b1.58" and "bitnet-25" of bitnet.cpp with ReLU^2.
// All three pair rotary halves as transformers does.
#include "base/fail.h"
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"

namespace quern {
namespace {

constexpr const char* kName = "bitnet";
constexpr const char* kAttentionNorm = "attn_sub_norm";
constexpr const char* kInnerNorm = "ffn_sub_norm";

constexpr DecoderMember kMember{{"BitNetForCausalLM", "bitnet"}, 2048, 5, 0, std::nullopt, 1e-5, 500000, kSquaredRelu};
constexpr TransformersClass kClasses[] = {kMember.name};

// What GGUF files call the model, by what is computed in the gate. The first of each is written.
struct Dialect {
  const char* architecture;
  std::string_view activation;
};
constexpr Dialect kDialects[] = {{kName, "silu"}, {"bitnet-b1.58", kSquaredRelu}, {"bitnet-25", kSquaredRelu}};

// Null: the checkpoint is no such file.
const Dialect* dialect_of(const Checkpoint& checkpoint) {
  for (const Dialect& dialect : kDialects)
    if (is_gguf_of(checkpoint, dialect.architecture)) return &dialect;
  return nullptr;
}

const Dialect& dialect_for(const DecoderConfig& config) {
  for (const Dialect& dialect : kDialects)
    if (dialect.activation == config.activation) return dialect;
  fail(ErrorCode::kInternal, "no GGUF architecture for the activation {}", config.activation);
}

bool recognises(const Checkpoint& checkpoint) {
  return dialect_of(checkpoint) || find_class(checkpoint, kClasses) >= 0;
}

bool has_tensors(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {"attn_sub_norm.weight", "ffn_sub_norm.weight"});
}

const std::vector<TensorRow>& tensor_rows() {
  static const std::vector<TensorRow> rows =
      joined({decoder_model_rows(),
              attention_rows(),
              {{kAttentionNorm, "norm", "self_attn.attn_sub_norm.weight", "attn_sub_norm.weight", {"heads*head_dim"}}},
              gated_mlp_rows(),
              {{kInnerNorm, "norm", "mlp.ffn_sub_norm.weight", "ffn_sub_norm.weight", {"inner"}}}});
  return rows;
}

bool has_name(std::string_view tensor) {
  static const FamilyNames names(tensor_rows(), decoder_roots());
  return is_rotary_table(tensor) || names.contains(tensor);
}

struct Bitnet {
  HyperParameters parameters;
  Naming naming;
  DecoderConfig config;

  Bitnet(const Checkpoint& checkpoint, ConfigUse use)
      : parameters(checkpoint, prefix_of(checkpoint), use), naming(find_naming(checkpoint, decoder_roots())) {
    DecoderMember member = kMember;
    if (const Dialect* dialect = dialect_of(checkpoint)) member.activation = dialect->activation;
    config = read_decoder(parameters, member, naming, tensor_rows());
    parameters.note(activation_evidence(checkpoint));
  }

  Evidence activation_evidence(const Checkpoint& checkpoint) const {
    constexpr HyperKey kKey{"hidden_act", nullptr};
    const char* const property = "activation";
    if (parameters.text(kKey))
      return {property, config.activation, fmt::format("{} {}", parameters.place(), parameters.word(kKey))};
    if (dialect_of(checkpoint)) return {property, config.activation, "general.architecture"};
    return {property, config.activation, kUsualValue, Evidence::Kind::kAssumed};
  }

  static std::string prefix_of(const Checkpoint& checkpoint) {
    const Dialect* dialect = dialect_of(checkpoint);
    return std::string(dialect ? dialect->architecture : kName) + ".";
  }
};

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  Bitnet model(checkpoint, use);
  HyperParameters& parameters = model.parameters;
  SpecBuilder builder(kName, parameters, model.naming, tensor_rows(),
                      {{"attention_bias", parameters.flag({"attention_bias", nullptr})},
                       {"mlp_bias", false, kMember.name.architecture},
                       head_option(parameters, model.config.tied_head)},
                      is_rotary_table);
  const AttentionParts parts{rope_op(model.config.rope, parameters["head_dim"], RopeOp::Pairing::kHalves), 0,
                             HeadNorms::kNone, kAttentionNorm};
  ModelSpec spec = builder.build([&] { lay_embedding(builder); },
                                 [&] {
                                   lay_attention(builder, parameters, model.config, parts);
                                   lay_gated_mlp(builder, model.config, kInnerNorm);
                                 },
                                 [&] { lay_final_norm(builder, model.config); });
  spec.notes.push_back(
      "the model was trained with activations of 8 bits a token, which are not imitated: they stay floats here, and "
      "figures differ slightly from those of transformers and bitnet.cpp");
  return spec;
}

ExportMap to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  // The loaders know neither biases nor, llama.cpp's, a head of its own.
  refuse_roles(spec, {"attn.q.bias", "attn.k.bias", "attn.v.bias", "attn.o.bias"});
  const Bitnet model(checkpoint, ConfigUse::kTrust);
  const Dialect* own = dialect_of(checkpoint);
  const Dialect& dialect = own ? *own : dialect_for(model.config);
  ExportMap map;
  if (dialect.activation == kSquaredRelu)
    map.notes.push_back(fmt::format(
        "a GGUF file of the architecture {} is run by bitnet.cpp; llama.cpp knows \"{}\" alone and computes SiLU "
        "there, where this model has ReLU^2",
        dialect.architecture, kName));
  else
    refuse_roles(spec, {"head"});
  map.metadata = decoder_metadata(spec, checkpoint, model.config, dialect.architecture);
  map.weights = exported_weights(spec);
  add_rope_and_window(map, spec, model.config);
  return map;
}

ExportMap to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Bitnet model(checkpoint, ConfigUse::kTrust);
  return decoder_to_transformers(spec, model.config, kMember.name, tensor_rows());
}

}  // namespace

const Architecture kBitnet = {
    .name = kName,
    .summary = "a Llama with norms behind attention and gate, ReLU^2, weights of -1, 0 and 1",
    .models = "BitNet b1.58 2B4T",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
    .to_transformers = to_transformers,
};

}  // namespace quern
