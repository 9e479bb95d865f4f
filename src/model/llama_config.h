// Hyper-parameters of the Llama family, wherever they are written down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/llama_rope.h"
#include "quern/checkpoint.h"

namespace quern {

// Whose names and conventions a checkpoint follows.
enum class LlamaNaming { kTransformers, kGguf };

struct LlamaConfig {
  LlamaNaming naming = LlamaNaming::kTransformers;
  std::uint64_t hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, inner = 0, vocab = 0, context = 0;
  double epsilon = 1e-6;
  double rope_base = 10000;
  RopeScaling rope_scaling;
  std::vector<float> rope_factors;               // [head_dim / 2] further divisors of the frequencies; empty: all 1
  std::optional<bool> attention_bias, mlp_bias;  // nullopt: whatever the tensors say
  std::uint32_t window = 0;                      // AttentionOp::window
  double attention_scale = 0;
  bool tied_head = false;
};

// Whether the checkpoint claims to be of this family.
bool is_llama(const Checkpoint& checkpoint);

// Error(kInput) that names the key when a value is missing, impossible or not supported.
LlamaConfig read_llama_config(const Checkpoint& checkpoint);

// Extent of an axis by the names of ModelSpec: "hidden", "heads*head_dim", "kv_heads*head_dim", "inner", "vocab".
std::uint64_t axis_extent(const LlamaConfig& config, std::string_view axis);

// What the configuration says about an axis, in its own words: "config.json says intermediate_size 512".
std::string axis_claim(const LlamaConfig& config, std::string_view axis);

}  // namespace quern
