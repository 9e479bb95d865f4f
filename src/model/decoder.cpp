// Blocks of a Llama-like decoder.
#include "model/decoder.h"

#include <cmath>

#include "base/fail.h"
#include "model/to_transformers.h"

namespace quern {

const Roots& decoder_roots() {
  static const Roots kRoots{{"model.", ""}, "layers.", "embed_tokens.weight"};
  return kRoots;
}

bool is_gguf_mixture(const Checkpoint& checkpoint) {
  return checkpoint.metadata().integer("llama.expert_count").value_or(0) > 0;
}

RopeOp::Pairing llama_pairing(const Naming& naming) {
  return naming.gguf ? RopeOp::Pairing::kNeighbours : RopeOp::Pairing::kHalves;
}

std::vector<TensorRow> joined(std::initializer_list<std::vector<TensorRow>> parts) {
  std::vector<TensorRow> rows;
  for (const auto& part : parts) rows.insert(rows.end(), part.begin(), part.end());
  return rows;
}

std::vector<TensorRow> decoder_model_rows() {
  constexpr auto kModel = TensorRow::Place::kModel;
  return {
      {kEmbedKey, "embed", "embed_tokens.weight", "token_embd.weight", {"vocab", "hidden"}, "", "", kModel},
      {"output_norm", "norm", "norm.weight", "output_norm.weight", {"hidden"}, "", "", kModel},
      {kHeadKey, "head", "lm_head.weight", "output.weight", {"vocab", "hidden"}, "head.in", kHeadOption, kModel},
  };
}

std::vector<TensorRow> attention_rows() {
  constexpr const char* kBias = "attention_bias";
  return {
      {"attn_norm", "norm", "input_layernorm.weight", "attn_norm.weight", {"hidden"}},
      {"attn_q", "attn.q", "self_attn.q_proj.weight", "attn_q.weight", {"heads*head_dim", "hidden"}, "attn.in"},
      {"attn_q_b", "attn.q.bias", "self_attn.q_proj.bias", "attn_q.bias", {"heads*head_dim"}, "", kBias},
      {"attn_k", "attn.k", "self_attn.k_proj.weight", "attn_k.weight", {"kv_heads*head_dim", "hidden"}, "attn.in"},
      {"attn_k_b", "attn.k.bias", "self_attn.k_proj.bias", "attn_k.bias", {"kv_heads*head_dim"}, "", kBias},
      {"attn_v", "attn.v", "self_attn.v_proj.weight", "attn_v.weight", {"kv_heads*head_dim", "hidden"}, "attn.in"},
      {"attn_v_b", "attn.v.bias", "self_attn.v_proj.bias", "attn_v.bias", {"kv_heads*head_dim"}, "", kBias},
      {"attn_o", "attn.o", "self_attn.o_proj.weight", "attn_output.weight", {"hidden", "heads*head_dim"}, "attn.out"},
      {"attn_o_b", "attn.o.bias", "self_attn.o_proj.bias", "attn_output.bias", {"hidden"}, "", kBias},
      {"ffn_norm", "norm", "post_attention_layernorm.weight", "ffn_norm.weight", {"hidden"}},
  };
}

std::vector<TensorRow> gated_mlp_rows() {
  constexpr const char* kBias = "mlp_bias";
  return {
      {"ffn_gate", "mlp.gate", "mlp.gate_proj.weight", "ffn_gate.weight", {"inner", "hidden"}, "mlp.in"},
      {"ffn_gate_b", "mlp.gate.bias", "mlp.gate_proj.bias", "ffn_gate.bias", {"inner"}, "", kBias},
      {"ffn_up", "mlp.up", "mlp.up_proj.weight", "ffn_up.weight", {"inner", "hidden"}, "mlp.in"},
      {"ffn_up_b", "mlp.up.bias", "mlp.up_proj.bias", "ffn_up.bias", {"inner"}, "", kBias},
      {"ffn_down", "mlp.down", "mlp.down_proj.weight", "ffn_down.weight", {"hidden", "inner"}, "mlp.out"},
      {"ffn_down_b", "mlp.down.bias", "mlp.down_proj.bias", "ffn_down.bias", {"hidden"}, "", kBias},
  };
}

void lay_embedding(SpecBuilder& builder) { builder.add(EmbedOp{}, {"ids"}, "hidden", {builder.weight(kEmbedKey)}); }

void lay_final_norm(SpecBuilder& builder, const DecoderConfig& config) {
  builder.add(RmsNormOp{config.epsilon}, {"hidden"}, "normed", {builder.weight("output_norm")});
}

void lay_attention(SpecBuilder& builder, const HyperParameters& parameters, const DecoderConfig& config,
                   const AttentionParts& parts) {
  const std::uint32_t head_dim = to_u32(parameters["head_dim"]);
  const bool normed = parts.norms == HeadNorms::kQueryAndKey;
  builder.add(RmsNormOp{config.epsilon}, {"hidden"}, "attn.in", {builder.weight("attn_norm")});
  builder.linear("attn_q", "attn_q_b", "attn.in", "q");
  builder.linear("attn_k", "attn_k_b", "attn.in", "k");
  builder.linear("attn_v", "attn_v_b", "attn.in", "v");
  if (normed) {
    builder.add(RmsNormOp{config.epsilon, head_dim}, {"q"}, "q.norm", {builder.weight("attn_q_norm")});
    builder.add(RmsNormOp{config.epsilon, head_dim}, {"k"}, "k.norm", {builder.weight("attn_k_norm")});
  }
  builder.add(parts.rope, {normed ? "q.norm" : "q"}, "q.rope");
  builder.add(parts.rope, {normed ? "k.norm" : "k"}, "k.rope");
  // Queries and keys are both turned whole, so that what YaRN multiplies each by can stand here.
  const double yarn = config.rope.scaling.attention_factor;
  builder.add(AttentionOp{to_u32(parameters["heads"]), to_u32(parameters["kv_heads"]), head_dim,
                          config.attention_scale * yarn * yarn, parts.window},
              {"q.rope", "k.rope", "v"}, parts.output_norm ? "attn.mixed" : "attn.out");
  if (parts.output_norm)
    builder.add(RmsNormOp{config.epsilon}, {"attn.mixed"}, "attn.out", {builder.weight(parts.output_norm)});
  builder.linear("attn_o", "attn_o_b", "attn.out", "attn.delta");
  builder.add(AddOp{}, {"hidden", "attn.delta"}, "hidden");
}

void lay_gated_mlp(SpecBuilder& builder, const DecoderConfig& config, const char* down_norm) {
  builder.add(RmsNormOp{config.epsilon}, {"hidden"}, "mlp.in", {builder.weight("ffn_norm")});
  builder.linear("ffn_gate", "ffn_gate_b", "mlp.in", "gate");
  builder.linear("ffn_up", "ffn_up_b", "mlp.in", "up");
  const char* gated = down_norm ? "mlp.gated" : "mlp.out";
  if (config.activation == kSquaredRelu)
    builder.add(SquaredReluMulOp{}, {"gate", "up"}, gated);
  else
    builder.add(SiluMulOp{}, {"gate", "up"}, gated);
  if (down_norm) builder.add(RmsNormOp{config.epsilon}, {gated}, "mlp.out", {builder.weight(down_norm)});
  builder.linear("ffn_down", "ffn_down_b", "mlp.out", "mlp.delta");
  builder.add(AddOp{}, {"hidden", "mlp.delta"}, "hidden");
}

Metadata decoder_metadata(const ModelSpec& spec, const Checkpoint& checkpoint, const DecoderConfig& config,
                          const std::string& architecture) {
  const std::string prefix = architecture + ".";
  if (is_gguf_of(checkpoint, architecture)) return copied_metadata(checkpoint.metadata(), prefix);
  Metadata out = general_metadata(architecture);
  write_values(decoder_values(), spec, {{kEpsilonName, config.epsilon}}, prefix, out);
  set_rope_metadata(out, prefix, config.rope, spec.extent("head_dim"));
  write_values({&kVocabularyRow, 1}, spec, {}, prefix, out);
  return out;
}

void add_rope_and_window(ExportMap& map, const ModelSpec& spec, const DecoderConfig& config) {
  map.extras = rope_extras(config.rope, spec.extent("head_dim"));
  if (config.window && config.window < spec.extent("context"))
    map.notes.push_back(
        fmt::format("the sliding window of {} positions is not part of a GGUF file of this family: beyond them its "
                    "runtimes attend to everything",
                    config.window));
}

namespace {

// Sets the order of the rows of queries and keys: `source` says which row of a head comes to its row i.
template <typename Source>
void reorder_heads(const ModelSpec& spec, std::vector<ExportedWeight>& weights, const Source& source) {
  const std::uint64_t head_dim = spec.extent("head_dim");
  for (ExportedWeight& out : weights) {
    const Weight& weight = spec.weights[out.weight];
    if (!weight.role.starts_with("attn.q") && !weight.role.starts_with("attn.k")) continue;
    const std::uint64_t rows = weight.axes.front().extent;
    out.row_order.resize(rows);
    for (std::uint64_t row = 0; row < rows; ++row)
      out.row_order[row] = to_u32(row / head_dim * head_dim + source(row % head_dim, head_dim / 2));
  }
}

}  // namespace

void pair_neighbours(const ModelSpec& spec, std::vector<ExportedWeight>& weights) {
  reorder_heads(spec, weights, [](std::uint64_t i, std::uint64_t half) { return i % 2 * half + i / 2; });
}

void pair_halves(const ModelSpec& spec, std::vector<ExportedWeight>& weights) {
  reorder_heads(spec, weights, [](std::uint64_t i, std::uint64_t half) { return i % half * 2 + i / half; });
}

ExportMap decoder_to_transformers(const ModelSpec& spec, const DecoderConfig& config, const TransformersClass& of,
                                  const std::vector<TensorRow>& rows) {
  const std::uint64_t head_dim = spec.extent("head_dim");
  if (config.attention_scale != 1 / std::sqrt(static_cast<double>(head_dim)))
    fail(ErrorCode::kInfeasible, "the attention is scaled by {}, and {} of transformers scales it by {}",
         config.attention_scale, of.architecture, 1 / std::sqrt(static_cast<double>(head_dim)));
  ExportMap map;
  map.config = transformers_config(of, spec, decoder_values(), {{kEpsilonName, config.epsilon}}, rows);
  map.config.set("hidden_act", config.activation);
  set_rope_config(map.config, config.rope, head_dim);
  map.weights = transformers_weights(spec, rows, decoder_roots());
  return map;
}

}  // namespace quern
