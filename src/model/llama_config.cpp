// What the two sources of a Llama configuration share: the bounds, and their words for each axis.
#include "model/llama_config.h"

#include <cmath>

#include "model/llama_source.h"
#include "quern/error.h"

namespace quern {
namespace {

// One extent under the name that each source gives it.
struct ExtentKey {
  const char* name;  // as in ModelSpec::extents
  const char* transformers;
  const char* gguf;
  std::uint64_t LlamaConfig::* value;
  std::uint64_t limit;  // beyond it a file is broken rather than large; keeps every product within 64 bits
};

constexpr std::uint64_t kExtentLimit = std::uint64_t{1} << 31;
constexpr ExtentKey kExtents[] = {
    {"hidden", "hidden_size", "llama.embedding_length", &LlamaConfig::hidden, kExtentLimit},
    {"layers", "num_hidden_layers", "llama.block_count", &LlamaConfig::layers, 10000},
    {"heads", "num_attention_heads", "llama.attention.head_count", &LlamaConfig::heads, 1 << 16},
    {"kv_heads", "num_key_value_heads", "llama.attention.head_count_kv", &LlamaConfig::kv_heads, 1 << 16},
    {"head_dim", "head_dim", "llama.attention.key_length", &LlamaConfig::head_dim, 1 << 16},
    {"inner", "intermediate_size", "llama.feed_forward_length", &LlamaConfig::inner, kExtentLimit},
    {"vocab", "vocab_size", "llama.vocab_size", &LlamaConfig::vocab, kExtentLimit},
    {"context", "max_position_embeddings", "llama.context_length", &LlamaConfig::context, kExtentLimit},
};

const ExtentKey& extent_key(std::string_view name) {
  for (const ExtentKey& key : kExtents) {
    if (name == key.name) return key;
  }
  fail(ErrorCode::kInternal, "a Llama model has no extent {}", name);
}

const char* word(const LlamaConfig& config, const ExtentKey& key) {
  return config.naming == LlamaNaming::kTransformers ? key.transformers : key.gguf;
}

const char* source_name(const LlamaConfig& config) {
  return config.naming == LlamaNaming::kTransformers ? "config.json" : "the GGUF metadata";
}

void check_bounds(const LlamaConfig& config) {
  for (const ExtentKey& key : kExtents) {
    const std::uint64_t value = config.*key.value;
    if (value == 0 || value > key.limit) {
      fail(ErrorCode::kInput, "{} says {} {}, which is outside 1..{}", source_name(config), word(config, key), value,
           key.limit);
    }
  }
  if (config.head_dim % 2 != 0) {
    fail(ErrorCode::kInput, "{} makes the head dimension {}, but rotary positions need an even one",
         source_name(config), config.head_dim);
  }
  if (config.heads % config.kv_heads != 0) {
    fail(ErrorCode::kInput, "{} says {} attention heads, which is not a multiple of {} key-value heads",
         source_name(config), config.heads, config.kv_heads);
  }
  const std::pair<const char*, double> positive[] = {
      {"the epsilon of the norms", config.epsilon},
      {"the base of the rotary frequencies", config.rope_base},
      {"the scaling factor of the rotary frequencies", config.rope_scaling.factor},
      {"the scale of the attention", config.attention_scale}};
  for (const auto& [what, value] : positive) {
    if (!std::isfinite(value) || value <= 0)
      fail(ErrorCode::kInput, "{} gives {} as {}", source_name(config), value, what);
  }
}

}  // namespace

bool is_llama(const Checkpoint& checkpoint) { return is_llama_gguf(checkpoint) || is_llama_transformers(checkpoint); }

LlamaConfig read_llama_config(const Checkpoint& checkpoint) {
  LlamaConfig config = is_llama_gguf(checkpoint) ? read_llama_gguf(checkpoint) : read_llama_transformers(checkpoint);
  if (config.attention_scale == 0) config.attention_scale = 1 / std::sqrt(static_cast<double>(config.head_dim));
  check_bounds(config);
  return config;
}

std::uint64_t axis_extent(const LlamaConfig& config, std::string_view axis) {
  if (axis == "heads*head_dim") return config.heads * config.head_dim;
  if (axis == "kv_heads*head_dim") return config.kv_heads * config.head_dim;
  return config.*extent_key(axis).value;
}

std::string axis_claim(const LlamaConfig& config, std::string_view axis) {
  const auto claim = [&](std::string_view name) {
    const ExtentKey& key = extent_key(name);
    return fmt::format("{} {}", word(config, key), config.*key.value);
  };
  const std::size_t star = axis.find('*');
  const std::string first = claim(axis.substr(0, star));
  return fmt::format("{} says {}", source_name(config),
                     star == std::string_view::npos ? first : first + " and " + claim(axis.substr(star + 1)));
}

}  // namespace quern
