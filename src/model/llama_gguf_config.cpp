// Metadata of a GGUF file with general.architecture "llama" (keys: gguf-py's constants.py; meaning: llama.cpp's
// loader).
#include "model/llama_source.h"
#include "quern/error.h"

namespace quern {
namespace {

std::uint64_t checked_extent(std::string_view key, std::int64_t value) {
  if (value < 0) fail(ErrorCode::kInput, "the GGUF metadata says {} {}", key, value);
  return static_cast<std::uint64_t>(value);
}

std::uint64_t required(const Metadata& metadata, std::string_view key) {
  const auto value = metadata.integer(key);
  if (!value) fail(ErrorCode::kInput, "the GGUF metadata has no {}", key);
  return checked_extent(key, *value);
}

std::uint64_t optional(const Metadata& metadata, std::string_view key, std::uint64_t absent) {
  const auto value = metadata.integer(key);
  return value ? checked_extent(key, *value) : absent;
}

RopeScaling read_scaling(const Metadata& metadata) {
  RopeScaling scaling;
  const std::string type = metadata.text("llama.rope.scaling.type").value_or("");
  if (type == "none") return scaling;
  if (!type.empty() && type != "linear") {
    fail(ErrorCode::kInput,
         "the GGUF metadata says llama.rope.scaling.type \"{}\", which is not supported; only none and linear are",
         type);
  }
  // Without a type llama.cpp scales linearly too; "scale_linear" is what old files call the factor. 0 stands for 1
  // there.
  scaling.factor =
      metadata.number("llama.rope.scaling.factor").value_or(metadata.number("llama.rope.scale_linear").value_or(1));
  if (scaling.factor == 0) scaling.factor = 1;
  scaling.kind = scaling.factor == 1 ? RopeScaling::Kind::kNone : RopeScaling::Kind::kLinear;
  return scaling;
}

std::vector<float> read_factors(const Checkpoint& checkpoint, std::uint64_t head_dim) {
  const TensorEntry* entry = checkpoint.find("rope_freqs.weight");
  if (!entry) return {};
  if (entry->encoding != "f32" || entry->shape != Shape{head_dim / 2} || entry->parts.size() != 1) {
    fail(ErrorCode::kInput, "rope_freqs.weight is {} {}, but a head dimension of {} needs f32 [{}]", entry->encoding,
         to_string(entry->shape), head_dim, head_dim / 2);
  }
  std::vector<float> factors(head_dim / 2);
  checkpoint.read(*entry, 0, 0, std::as_writable_bytes(std::span(factors)));
  for (const float factor : factors) {
    if (!(factor > 0 && factor < 1e9f))
      fail(ErrorCode::kInput, "rope_freqs.weight holds {}, which cannot divide a frequency", factor);
  }
  return factors;
}

}  // namespace

bool is_llama_gguf(const Checkpoint& checkpoint) {
  return checkpoint.metadata().find("general.architecture") &&
         checkpoint.metadata().text("general.architecture") == "llama";
}

LlamaConfig read_llama_gguf(const Checkpoint& checkpoint) {
  const Metadata& metadata = checkpoint.metadata();
  if (const auto experts = metadata.integer("llama.expert_count"); experts && *experts > 0) {
    fail(ErrorCode::kInput, "the GGUF metadata says llama.expert_count {}; mixtures of experts are not supported",
         *experts);
  }
  LlamaConfig config;
  config.naming = LlamaNaming::kGguf;
  config.hidden = required(metadata, "llama.embedding_length");
  config.layers = required(metadata, "llama.block_count");
  config.heads = required(metadata, "llama.attention.head_count");
  if (config.heads == 0) fail(ErrorCode::kInput, "the GGUF metadata says llama.attention.head_count 0");
  config.kv_heads = optional(metadata, "llama.attention.head_count_kv", config.heads);
  config.head_dim = optional(metadata, "llama.attention.key_length", config.hidden / config.heads);
  config.inner = required(metadata, "llama.feed_forward_length");
  config.context = required(metadata, "llama.context_length");
  const TensorEntry* embedding = checkpoint.find("token_embd.weight");
  const std::uint64_t rows = embedding && !embedding->shape.empty() ? embedding->shape.front() : 1;
  config.vocab = optional(metadata, "llama.vocab_size", rows);
  const auto epsilon = metadata.number("llama.attention.layer_norm_rms_epsilon");
  if (!epsilon) fail(ErrorCode::kInput, "the GGUF metadata has no llama.attention.layer_norm_rms_epsilon");
  config.epsilon = *epsilon;
  config.attention_scale = metadata.number("llama.attention.scale").value_or(0);
  const std::uint64_t value_dim = optional(metadata, "llama.attention.value_length", config.head_dim);
  const std::uint64_t rope_dim = optional(metadata, "llama.rope.dimension_count", config.head_dim);
  if (value_dim != config.head_dim || rope_dim != config.head_dim) {
    fail(ErrorCode::kInput,
         "the GGUF metadata makes the key heads {} long, the value heads {} and the rotary part {}; they must be equal",
         config.head_dim, value_dim, rope_dim);
  }
  config.rope_base = metadata.number("llama.rope.freq_base").value_or(10000);
  config.rope_scaling = read_scaling(metadata);
  config.rope_factors = read_factors(checkpoint, config.head_dim);
  config.tied_head = !checkpoint.find("output.weight");
  return config;
}

}  // namespace quern
