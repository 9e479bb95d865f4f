// What Llama, Mistral, Mixtral, Qwen3 and BitNet share: RMS norms, rotary positions, grouped-query attention, gated
// MLPs.
#pragma once

#include "model/family.h"
#include "model/hyper_table.h"
#include "model/rope_config.h"
#include "model/spec_builder.h"

namespace quern {

// Prefixes of the tensors' names.
const Roots& decoder_roots();

// Whether the metadata of a GGUF "llama" announces a mixture of experts.
bool is_gguf_mixture(const Checkpoint& checkpoint);

// llama.cpp stores the rotary pairs of "llama" as neighbours, transformers as halves.
RopeOp::Pairing llama_pairing(const Naming& naming);

inline constexpr std::string_view kSquaredRelu = "relu2";

// Defaults of transformers' configuration class.
struct DecoderMember {
  TransformersClass name;
  std::uint64_t context;
  std::uint64_t kv_heads;               // where "num_key_value_heads" is absent (not null); 0: as many as heads
  std::uint64_t head_dim;               // 0: hidden / heads
  std::optional<std::uint64_t> window;  // where "sliding_window" is absent (not null), 0: none; nullopt: never one
  double epsilon, rope_base;
  std::string_view activation = "silu";  // where "hidden_act" is absent; a model may have it or "silu"
};

struct DecoderConfig {
  double epsilon = 1e-6, attention_scale = 0;
  RopeConfig rope;
  std::uint32_t window = 0;  // AttentionOp::window
  std::optional<bool> tied_head;
  std::string activation = "silu";  // of the gate, transformers' name
};

// Extents and numbers from config.json or GGUF metadata; what no configuration says is solved from `rows`.
DecoderConfig read_decoder(HyperParameters& parameters, const DecoderMember& member, const Naming& naming,
                           const std::vector<TensorRow>& rows);

// sliding_window of config.json; 0: none. Error(kInput) for a window of nothing.
std::uint32_t read_window(const HyperParameters& parameters, std::optional<std::uint64_t> usual);

// The values of a Llama-like configuration in the order of a GGUF file, but for the vocabulary and rotary positions.
std::span<const HyperRow> decoder_values();

// Rows of the table: embedding, final norm and head; norm and attention of a layer; norm and gated MLP of a layer.
std::vector<TensorRow> decoder_model_rows();
std::vector<TensorRow> attention_rows();
std::vector<TensorRow> gated_mlp_rows();
std::vector<TensorRow> joined(std::initializer_list<std::vector<TensorRow>> parts);

// Tables that a runtime recomputes.
bool is_rotary_table(std::string_view name);

// What the head's option says: a model that is not tied has one. Error(kInput) when config.json says so and there is
// none.
TensorOption head_option(const HyperParameters& parameters, std::optional<bool> tied);

enum class HeadNorms { kNone, kQueryAndKey };
struct AttentionParts {
  RopeOp rope;
  std::uint32_t window = 0;
  HeadNorms norms = HeadNorms::kNone;
  const char* output_norm = nullptr;  // key of a norm in front of the output matrix; null: none
};
// hidden <- hidden + attention(norm(hidden)).
void lay_attention(SpecBuilder& builder, const HyperParameters& parameters, const DecoderConfig& config,
                   const AttentionParts& parts);
// hidden <- hidden + mlp(norm(hidden)). `down_norm`: key of a norm in front of the matrix that leads back; null: none.
void lay_gated_mlp(SpecBuilder& builder, const DecoderConfig& config, const char* down_norm = nullptr);
void lay_embedding(SpecBuilder& builder);
void lay_final_norm(SpecBuilder& builder, const DecoderConfig& config);

// Keys that every family of this kind has in a GGUF file.
Metadata decoder_metadata(const ModelSpec& spec, const Checkpoint& checkpoint, const DecoderConfig& config,
                          const std::string& architecture);
// What a GGUF file holds beside weights and keys (the divisors of rotary frequencies), and a note on the sliding
// window, which it cannot hold.
void add_rope_and_window(ExportMap& map, const ModelSpec& spec, const DecoderConfig& config);
// Moves the rotary pairs of queries and keys from halves to neighbours, as llama.cpp's "llama" wants them.
void pair_neighbours(const ModelSpec& spec, std::vector<ExportedWeight>& weights);
// And back.
void pair_halves(const ModelSpec& spec, std::vector<ExportedWeight>& weights);

// Weights and config.json for a folder of transformers, of a class of this kind. Error(kInfeasible) for what it cannot
// say.
ExportMap decoder_to_transformers(const ModelSpec& spec, const DecoderConfig& config, const TransformersClass& of,
                                  const std::vector<TensorRow>& rows);

}  // namespace quern
