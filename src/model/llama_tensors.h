// The tensors of a Llama model under the names of transformers and of GGUF.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/llama_config.h"

namespace quern {

enum class LlamaSlot {
  kEmbed,
  kAttnNorm,
  kQ,
  kQBias,
  kK,
  kKBias,
  kV,
  kVBias,
  kO,
  kOBias,
  kMlpNorm,
  kGate,
  kGateBias,
  kUp,
  kUpBias,
  kDown,
  kDownBias,
  kNorm,
  kHead,
};

struct LlamaTensor {
  enum class Presence { kAlways, kAttentionBias, kMlpBias };
  LlamaSlot slot;
  const char* role;
  const char* transformers;  // behind "model.layers.N." where `in_layer`
  const char* gguf;          // behind "blk.N." where `in_layer`
  std::vector<std::string_view> axes;
  const char* group;  // behind "layers.N." where `in_layer`
  bool in_layer = true;
  Presence presence = Presence::kAlways;
};

// In the order of a GGUF file: embedding, the tensors of one layer, final norm, head.
std::span<const LlamaTensor> llama_tensors();
const LlamaTensor& llama_tensor(LlamaSlot slot);

// REQUIRES: layer >= 0 exactly where the tensor is in a layer; elsewhere it is -1.
std::string tensor_name(const LlamaTensor& tensor, LlamaNaming naming, std::int32_t layer);

// The row of the table for a weight's tensor name. Error(kInternal) when there is none.
const LlamaTensor& find_llama_tensor(std::string_view name, LlamaNaming naming, std::int32_t layer);

}  // namespace quern
