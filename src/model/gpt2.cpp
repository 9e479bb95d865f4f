// GPT-2: learned positions, layer norms with biases, one fused and transposed matrix for queries, keys and values.
#include <cmath>

#include "base/fail.h"
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"
#include "model/infer_extents.h"
#include "model/to_transformers.h"

namespace quern {
namespace {

constexpr const char* kName = "gpt2";
constexpr TransformersClass kClasses[] = {{"GPT2LMHeadModel", "gpt2"}};
const Roots kRoots{{"transformer.", ""}, "h.", "wte.weight"};
constexpr HyperRow kValues[] = {
    {"layers", {"n_layer", "block_count"}, 10000},
    {"context", {"n_positions", "context_length"}},
    {"hidden", {"n_embd", "embedding_length"}},
    {"inner", {"n_inner", "feed_forward_length"}},
    {"heads", {"n_head", "attention.head_count"}, 1 << 16},
    {kEpsilonName, {"layer_norm_epsilon", "attention.layer_norm_epsilon"}, 0, HyperRow::Kind::kReal},
};

bool recognises(const Checkpoint& checkpoint) {
  return is_gguf_of(checkpoint, kName) || find_class(checkpoint, kClasses) >= 0;
}

bool has_tensors(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {"attn.c_attn.weight", "mlp.c_fc.weight", "wpe.weight"}) ||
         has_suffixes(checkpoint, {"attn_qkv.weight", "position_embd.weight"});
}

std::vector<TensorRow> tensor_rows() {
  using enum TensorRow::Place;
  using enum TensorRow::Spelling;
  return {
      {kEmbedKey, "embed", "wte.weight", "token_embd.weight", {"vocab", "hidden"}, "", "", kModel},
      {"position", "pos_embed", "wpe.weight", "position_embd.weight", {"context", "hidden"}, "", "", kModel},
      {"attn_norm", "norm", "ln_1.weight", "attn_norm.weight", {"hidden"}},
      {"attn_norm_b", "norm.bias", "ln_1.bias", "attn_norm.bias", {"hidden"}},
      {"attn_qkv",
       "attn.qkv",
       "attn.c_attn.weight",
       "attn_qkv.weight",
       {"3*hidden", "hidden"},
       "attn.in",
       "",
       kLayer,
       kTransposed},
      {"attn_qkv_b", "attn.qkv.bias", "attn.c_attn.bias", "attn_qkv.bias", {"3*hidden"}},
      {"attn_o",
       "attn.o",
       "attn.c_proj.weight",
       "attn_output.weight",
       {"hidden", "hidden"},
       "attn.out",
       "",
       kLayer,
       kTransposed},
      {"attn_o_b", "attn.o.bias", "attn.c_proj.bias", "attn_output.bias", {"hidden"}},
      {"ffn_norm", "norm", "ln_2.weight", "ffn_norm.weight", {"hidden"}},
      {"ffn_norm_b", "norm.bias", "ln_2.bias", "ffn_norm.bias", {"hidden"}},
      {"ffn_up", "mlp.up", "mlp.c_fc.weight", "ffn_up.weight", {"inner", "hidden"}, "mlp.in", "", kLayer, kTransposed},
      {"ffn_up_b", "mlp.up.bias", "mlp.c_fc.bias", "ffn_up.bias", {"inner"}},
      {"ffn_down",
       "mlp.down",
       "mlp.c_proj.weight",
       "ffn_down.weight",
       {"hidden", "inner"},
       "mlp.out",
       "",
       kLayer,
       kTransposed},
      {"ffn_down_b", "mlp.down.bias", "mlp.c_proj.bias", "ffn_down.bias", {"hidden"}},
      {"output_norm", "norm", "ln_f.weight", "output_norm.weight", {"hidden"}, "", "", kModel},
      {"output_norm_b", "norm.bias", "ln_f.bias", "output_norm.bias", {"hidden"}, "", "", kModel},
      {kHeadKey, "head", "lm_head.weight", "output.weight", {"vocab", "hidden"}, "head.in", kHeadOption, kModel},
  };
}

// Masks that old checkpoints carry.
bool is_derived(std::string_view name) { return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"); }

struct Gpt2 {
  HyperParameters parameters;
  Naming naming;
  double epsilon = 1e-5;
  bool scaled_by_head_dim = true, scaled_by_layer = false;
  std::optional<bool> tied;

  Gpt2(const Checkpoint& checkpoint, ConfigUse use)
      : parameters(checkpoint, "gpt2.", use), naming(find_naming(checkpoint, kRoots)) {
    read_extents(parameters, kValues);
    read_extents(parameters, {&kVocabularyRow, 1});
    infer_extents(parameters, naming, tensor_rows());
    if (parameters.knows("hidden") && !parameters.knows("heads")) assume_heads();
    parameters.fall_back("inner", 4 * parameters["hidden"]);
    parameters.fall_back("context", 1024);
    read_rest();
  }

  // No tensor shows them.
  void assume_heads() {
    std::uint64_t head_dim = 64;
    while (parameters["hidden"] % head_dim != 0) head_dim /= 2;
    parameters.assume("heads", parameters["hidden"] / head_dim,
                      fmt::format("heads of {}; those of every published GPT-2 are 64 long", head_dim));
  }

  void read_rest() {
    const std::uint64_t hidden = parameters["hidden"], heads = parameters["heads"];
    if (heads == 0 || hidden % heads != 0)
      fail(ErrorCode::kInput, "{}, but {} channels cannot be cut into {} heads", parameters.claim("hidden*heads"),
           hidden, heads);
    epsilon = parameters.real_or(kEpsilonName, key_of(kValues, kEpsilonName), 1e-5);
    if (!std::isfinite(epsilon) || epsilon <= 0)
      fail(ErrorCode::kInput, "{} gives {} as the epsilon of the norms", parameters.place(), epsilon);
    scaled_by_head_dim = parameters.flag({"scale_attn_weights", nullptr}).value_or(true);
    scaled_by_layer = parameters.flag({"scale_attn_by_inverse_layer_idx", nullptr}).value_or(false);
    tied = parameters.flag({"tie_word_embeddings", nullptr});
    if (!tied && parameters.source() == HyperParameters::Source::kTransformers) tied = true;
    const std::string act = parameters.text({"activation_function", nullptr}).value_or("gelu_new");
    if (act != "gelu_new" && act != "gelu_pytorch_tanh")
      fail(ErrorCode::kInput, "config.json says activation_function \"{}\"; only \"gelu_new\" is supported", act);
    if (parameters.flag({"add_cross_attention", nullptr}).value_or(false))
      fail(ErrorCode::kInput, "config.json says add_cross_attention true, which is not supported");
  }

  double attention_scale(std::uint64_t layer) const {
    const double head_dim = static_cast<double>(parameters["hidden"] / parameters["heads"]);
    return (scaled_by_head_dim ? 1 / std::sqrt(head_dim) : 1.0) /
           (scaled_by_layer ? static_cast<double>(layer + 1) : 1.0);
  }
};

void lay_norm(SpecBuilder& builder, const Gpt2& model, const char* gain, const char* bias, const char* output) {
  builder.add(LayerNormOp{model.epsilon}, {"hidden"}, output, {builder.weight(gain), builder.weight(bias)});
}

void lay_attention(SpecBuilder& builder, const Gpt2& model, std::uint64_t layer) {
  const std::uint32_t hidden = to_u32(model.parameters["hidden"]), heads = to_u32(model.parameters["heads"]);
  lay_norm(builder, model, "attn_norm", "attn_norm_b", "attn.in");
  builder.linear("attn_qkv", "attn_qkv_b", "attn.in", "qkv");
  builder.add(SliceOp{0, hidden}, {"qkv"}, "q");
  builder.add(SliceOp{hidden, hidden}, {"qkv"}, "k");
  builder.add(SliceOp{2 * hidden, hidden}, {"qkv"}, "v");
  builder.add(AttentionOp{heads, heads, hidden / heads, model.attention_scale(layer), 0}, {"q", "k", "v"}, "attn.out");
  builder.linear("attn_o", "attn_o_b", "attn.out", "attn.delta");
  builder.add(AddOp{}, {"hidden", "attn.delta"}, "hidden");
}

void lay_mlp(SpecBuilder& builder, const Gpt2& model) {
  lay_norm(builder, model, "ffn_norm", "ffn_norm_b", "mlp.in");
  builder.linear("ffn_up", "ffn_up_b", "mlp.in", "up");
  builder.add(GeluOp{}, {"up"}, "mlp.out");
  builder.linear("ffn_down", "ffn_down_b", "mlp.out", "mlp.delta");
  builder.add(AddOp{}, {"hidden", "mlp.delta"}, "hidden");
}

bool has_name(std::string_view tensor) {
  static const FamilyNames names(tensor_rows(), kRoots);
  return is_derived(tensor) || names.contains(tensor);
}

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  Gpt2 model(checkpoint, use);
  SpecBuilder builder(kName, model.parameters, model.naming, tensor_rows(), {head_option(model.parameters, model.tied)},
                      is_derived);
  std::uint64_t layer = 0;
  return builder.build(
      [&] {
        builder.add(EmbedOp{}, {"ids"}, "embedded", {builder.weight(kEmbedKey)});
        builder.add(PositionsOp{}, {"embedded"}, "hidden", {builder.weight("position")});
      },
      [&] {
        lay_attention(builder, model, layer++);
        lay_mlp(builder, model);
      },
      [&] { lay_norm(builder, model, "output_norm", "output_norm_b", "normed"); });
}

ExportMap to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Gpt2 model(checkpoint, ConfigUse::kTrust);
  if (model.scaled_by_layer || !model.scaled_by_head_dim)
    fail(ErrorCode::kInfeasible,
         "config.json changes the scale of the attention (scale_attn_by_inverse_layer_idx or scale_attn_weights), "
         "which a GGUF file of this family cannot say");
  ExportMap map;
  map.weights = exported_weights(spec);
  if (is_gguf_of(checkpoint, kName)) {
    map.metadata = copied_metadata(checkpoint.metadata(), "gpt2.");
    return map;
  }
  map.metadata = general_metadata(kName);
  write_values(kValues, spec, {{kEpsilonName, model.epsilon}}, "gpt2.", map.metadata);
  return map;
}

ExportMap to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Gpt2 model(checkpoint, ConfigUse::kTrust);
  ExportMap map;
  map.config = transformers_config(kClasses[0], spec, kValues, {{kEpsilonName, model.epsilon}}, tensor_rows());
  map.config.set("activation_function", "gelu_new");
  map.weights = transformers_weights(spec, tensor_rows(), kRoots);
  return map;
}

}  // namespace

const Architecture kGpt2 = {
    .name = kName,
    .summary = "learned positions, layer norms, GELU",
    .models = "GPT-2 small to XL, DistilGPT2",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
    .to_transformers = to_transformers,
};

}  // namespace quern
