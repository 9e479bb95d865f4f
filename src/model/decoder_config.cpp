// Reading a Llama-like configuration: config.json with the defaults of transformers' classes, GGUF metadata, or shapes.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/fail.h"
#include "model/decoder.h"
#include "model/infer_extents.h"

namespace quern {
namespace {

using Source = HyperParameters::Source;
constexpr std::uint64_t kHeadLimit = 1 << 16, kLayerLimit = 10000;
constexpr HyperKey kKvHeads{"num_key_value_heads", "attention.head_count_kv"};
constexpr HyperRow kValues[] = {
    {"layers", {"num_hidden_layers", "block_count"}, kLayerLimit},
    {"context", {"max_position_embeddings", "context_length"}},
    {"hidden", {"hidden_size", "embedding_length"}},
    {"inner", {"intermediate_size", "feed_forward_length"}},
    {"heads", {"num_attention_heads", "attention.head_count"}, kHeadLimit},
    {"kv_heads", kKvHeads, kHeadLimit},
    {kEpsilonName, {"rms_norm_eps", "attention.layer_norm_rms_epsilon"}, 0, HyperRow::Kind::kReal},
    {"head_dim", {"head_dim", "attention.key_length"}, kHeadLimit},
    {"head_dim", {nullptr, "attention.value_length"}, kHeadLimit, HyperRow::Kind::kRepeat},
};

// A table of rotary frequencies or of their divisors has one for each pair of a head.
void infer_from_rotary_table(HyperParameters& parameters) {
  for (const TensorEntry& entry : parameters.checkpoint().tensors()) {
    if (!is_rotary_table(entry.name) || entry.shape.size() != 1 || entry.shape[0] == 0 || parameters.knows("head_dim"))
      continue;
    parameters.infer("head_dim", 2 * entry.shape[0],
                     fmt::format("{} is {}, axis 0 is half of head_dim", entry.name, to_string(entry.shape)));
  }
}

std::uint64_t rows_of(const HyperParameters& parameters, const Naming& naming, const std::vector<TensorRow>& rows,
                      std::string_view key) {
  const auto row = std::ranges::find(rows, key, &TensorRow::key);
  const TensorEntry* entry = parameters.checkpoint().find(naming.name_of(*row, 0));
  return entry && !entry->shape.empty() ? entry->shape.front() : 0;
}

// The tensors show heads * head_dim and kv_heads * head_dim only, so that head_dim divides both. 64 and 128 are what
// nearly all models of this kind use.
void assume_head_dim(HyperParameters& parameters, const Naming& naming, const std::vector<TensorRow>& rows) {
  if (!parameters.knows("hidden")) return;
  const std::uint64_t common =
      std::gcd(rows_of(parameters, naming, rows, "attn_q"), rows_of(parameters, naming, rows, "attn_k"));
  std::uint64_t usual = parameters["hidden"] >= 2048 ? 128 : 64;
  while (usual > 1 && common % usual != 0) usual /= 2;
  parameters.assume("head_dim", usual, "most models of this kind use 64 or 128, and it divides the query and key rows");
}

// What the tensors do not show with the configuration's help: the number of heads or their width, and then what
// transformers' class says.
void complete_heads(HyperParameters& parameters, const DecoderMember& member, const Naming& naming,
                    const std::vector<TensorRow>& rows) {
  const bool no_number = !parameters.knows("heads") && !parameters.knows("kv_heads");
  if (no_number) infer_from_rotary_table(parameters);
  if (no_number && !parameters.knows("head_dim")) assume_head_dim(parameters, naming, rows);
  infer_extents(parameters, naming, rows);
  if (!parameters.knows("heads")) return;
  const bool transformers = parameters.source() == Source::kTransformers;
  if (!parameters.knows("head_dim"))
    parameters.fall_back(
        "head_dim", transformers && member.head_dim ? member.head_dim : parameters["hidden"] / parameters["heads"]);
  infer_extents(parameters, naming, rows);
  const bool named = transformers && parameters.checkpoint().config().find(kKvHeads.transformers) != nullptr;
  parameters.fall_back("kv_heads", transformers && member.kv_heads && !named ? member.kv_heads : parameters["heads"]);
  if (!parameters.only_claims() && parameters["heads"] % parameters["kv_heads"] != 0)
    fail(ErrorCode::kInput, "{} says {} attention heads, which is not a multiple of {} key-value heads",
         parameters.place(), parameters["heads"], parameters["kv_heads"]);
}

void read_decoder_extents(HyperParameters& parameters, const DecoderMember& member, const Naming& naming,
                          const std::vector<TensorRow>& rows) {
  read_extents(parameters, kValues);
  read_extents(parameters, {&kVocabularyRow, 1});
  infer_extents(parameters, naming, rows);
  complete_heads(parameters, member, naming, rows);
  parameters.fall_back("context", member.context);
}

void check_gguf_heads(const HyperParameters& parameters) {
  const std::uint64_t head_dim = parameters["head_dim"];
  const std::uint64_t value_dim = parameters.whole({nullptr, "attention.value_length"}).value_or(head_dim);
  const std::uint64_t rope_dim = parameters.whole({nullptr, "rope.dimension_count"}).value_or(head_dim);
  if (value_dim != head_dim || rope_dim != head_dim)
    fail(ErrorCode::kInput,
         "the GGUF metadata makes the key heads {} long, the value heads {} and the rotary part {}; they must be equal",
         head_dim, value_dim, rope_dim);
}

void check_positive(const HyperParameters& parameters, const char* what, double value) {
  if (!std::isfinite(value) || value <= 0)
    fail(ErrorCode::kInput, "{} gives {} as {}", parameters.place(), value, what);
}

}  // namespace

std::span<const HyperRow> decoder_values() { return kValues; }

bool is_rotary_table(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("attn_rot_embd.weight") || name == "rope_freqs.weight";
}

std::uint32_t read_window(const HyperParameters& parameters, std::optional<std::uint64_t> usual) {
  if (!usual || parameters.source() != Source::kTransformers) return 0;
  const Json* given = parameters.checkpoint().config().find("sliding_window");
  if (given && given->is_null()) return 0;
  if (!given && *usual == 0) return 0;
  const std::uint64_t window = parameters.whole({"sliding_window", nullptr}).value_or(*usual);
  if (window == 0 || window > UINT32_MAX)
    fail(ErrorCode::kInput, "config.json says sliding_window {}; null means none", window);
  return static_cast<std::uint32_t>(window);
}

TensorOption head_option(const HyperParameters& parameters, std::optional<bool> tied) {
  const bool there = parameters.checkpoint().find("lm_head.weight") || parameters.checkpoint().find("output.weight");
  if (tied == false && !there)
    fail(ErrorCode::kInput,
         "config.json says tie_word_embeddings false, but there is no lm_head.weight; set it to true if the head is "
         "the embedding");
  return {kHeadOption, tied ? std::optional(!*tied) : std::nullopt};
}

DecoderConfig read_decoder(HyperParameters& parameters, const DecoderMember& member, const Naming& naming,
                           const std::vector<TensorRow>& rows) {
  read_decoder_extents(parameters, member, naming, rows);
  if (parameters.source() == Source::kGguf) check_gguf_heads(parameters);
  DecoderConfig config;
  config.epsilon = parameters.real_or(kEpsilonName, key_of(kValues, kEpsilonName), member.epsilon);
  config.attention_scale = parameters.real({nullptr, "attention.scale"}).value_or(0);
  if (config.attention_scale == 0) config.attention_scale = 1 / std::sqrt(static_cast<double>(parameters["head_dim"]));
  check_positive(parameters, "the epsilon of the norms", config.epsilon);
  check_positive(parameters, "the scale of the attention", config.attention_scale);
  config.tied_head = parameters.flag({"tie_word_embeddings", nullptr});
  config.activation = parameters.text({"hidden_act", nullptr}).value_or(std::string(member.activation));
  if (config.activation != "silu" && config.activation != member.activation)
    fail(ErrorCode::kInput, "config.json says hidden_act \"{}\"; only \"silu\"{} supported", config.activation,
         member.activation == "silu" ? " is" : fmt::format(" and \"{}\" are", member.activation));
  config.window = read_window(parameters, member.window);
  config.rope = read_rope(parameters, member.rope_base);
  return config;
}

}  // namespace quern
