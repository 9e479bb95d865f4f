// The table of tensors of a Llama model.
#include "model/llama_tensors.h"

#include "quern/error.h"

namespace quern {

std::span<const LlamaTensor> llama_tensors() {
  using enum LlamaSlot;
  using enum LlamaTensor::Presence;
  static const LlamaTensor kTable[] = {
      {kEmbed, "embed", "model.embed_tokens.weight", "token_embd.weight", {"vocab", "hidden"}, "", false},
      {kAttnNorm, "norm", "input_layernorm.weight", "attn_norm.weight", {"hidden"}, ""},
      {kQ, "attn.q", "self_attn.q_proj.weight", "attn_q.weight", {"heads*head_dim", "hidden"}, "attn.in"},
      {kQBias, "attn.q.bias", "self_attn.q_proj.bias", "attn_q.bias", {"heads*head_dim"}, "", true, kAttentionBias},
      {kK, "attn.k", "self_attn.k_proj.weight", "attn_k.weight", {"kv_heads*head_dim", "hidden"}, "attn.in"},
      {kKBias, "attn.k.bias", "self_attn.k_proj.bias", "attn_k.bias", {"kv_heads*head_dim"}, "", true, kAttentionBias},
      {kV, "attn.v", "self_attn.v_proj.weight", "attn_v.weight", {"kv_heads*head_dim", "hidden"}, "attn.in"},
      {kVBias, "attn.v.bias", "self_attn.v_proj.bias", "attn_v.bias", {"kv_heads*head_dim"}, "", true, kAttentionBias},
      {kO, "attn.o", "self_attn.o_proj.weight", "attn_output.weight", {"hidden", "heads*head_dim"}, "attn.out"},
      {kOBias, "attn.o.bias", "self_attn.o_proj.bias", "attn_output.bias", {"hidden"}, "", true, kAttentionBias},
      {kMlpNorm, "norm", "post_attention_layernorm.weight", "ffn_norm.weight", {"hidden"}, ""},
      {kGate, "mlp.gate", "mlp.gate_proj.weight", "ffn_gate.weight", {"inner", "hidden"}, "mlp.in"},
      {kGateBias, "mlp.gate.bias", "mlp.gate_proj.bias", "ffn_gate.bias", {"inner"}, "", true, kMlpBias},
      {kUp, "mlp.up", "mlp.up_proj.weight", "ffn_up.weight", {"inner", "hidden"}, "mlp.in"},
      {kUpBias, "mlp.up.bias", "mlp.up_proj.bias", "ffn_up.bias", {"inner"}, "", true, kMlpBias},
      {kDown, "mlp.down", "mlp.down_proj.weight", "ffn_down.weight", {"hidden", "inner"}, "mlp.out"},
      {kDownBias, "mlp.down.bias", "mlp.down_proj.bias", "ffn_down.bias", {"hidden"}, "", true, kMlpBias},
      {kNorm, "norm", "model.norm.weight", "output_norm.weight", {"hidden"}, "", false},
      {kHead, "head", "lm_head.weight", "output.weight", {"vocab", "hidden"}, "head.in", false},
  };
  return kTable;
}

const LlamaTensor& llama_tensor(LlamaSlot slot) { return llama_tensors()[static_cast<std::size_t>(slot)]; }

std::string tensor_name(const LlamaTensor& tensor, LlamaNaming naming, std::int32_t layer) {
  const bool transformers = naming == LlamaNaming::kTransformers;
  const char* name = transformers ? tensor.transformers : tensor.gguf;
  return tensor.in_layer ? fmt::format("{}.{}.{}", transformers ? "model.layers" : "blk", layer, name) : name;
}

const LlamaTensor& find_llama_tensor(std::string_view name, LlamaNaming naming, std::int32_t layer) {
  for (const LlamaTensor& tensor : llama_tensors()) {
    if (tensor.in_layer == (layer >= 0) && tensor_name(tensor, naming, layer) == name) return tensor;
  }
  fail(ErrorCode::kInternal, "{} of layer {} is not a tensor of a Llama model", name, layer);
}

}  // namespace quern
