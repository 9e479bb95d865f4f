// Llama as llama.cpp stores it: keys and names as convert_hf_to_gguf writes them, rotary pairs moved from halves to
// neighbours.
#include "model/llama.h"
#include "model/llama_tensors.h"
#include "quern/error.h"

namespace quern {
namespace {

std::uint32_t u32(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

// Last part of the name the configuration gives itself. The folder's name would do too, but then equal input in another
// place would give other bytes.
std::optional<std::string> model_name(const Json& config) {
  const Json* name = config.find("_name_or_path");
  if (!name || !name->is_string()) return std::nullopt;
  std::string text = name->as_string();
  while (text.ends_with('/')) text.pop_back();
  text = text.substr(text.rfind('/') + 1);
  if (text.empty() || text == "." || text == "..") return std::nullopt;
  return text;
}

Metadata metadata_of(const ModelSpec& spec, const LlamaConfig& config, const Json& json) {
  Metadata out;
  out.set("general.architecture", "llama");
  if (auto name = model_name(json)) out.set("general.name", *std::move(name));
  const auto extent = [&](std::string_view name) { return u32(spec.extent(name)); };
  out.set("llama.block_count", extent("layers"));
  out.set("llama.context_length", extent("context"));
  out.set("llama.embedding_length", extent("hidden"));
  out.set("llama.feed_forward_length", extent("inner"));
  out.set("llama.attention.head_count", extent("heads"));
  out.set("llama.attention.head_count_kv", extent("kv_heads"));
  out.set("llama.attention.layer_norm_rms_epsilon", static_cast<float>(config.epsilon));
  out.set("llama.attention.key_length", extent("head_dim"));
  out.set("llama.attention.value_length", extent("head_dim"));
  out.set("llama.rope.freq_base", static_cast<float>(config.rope_base));
  out.set("llama.rope.dimension_count", extent("head_dim"));
  if (config.rope_scaling.kind == RopeScaling::Kind::kLinear) {
    out.set("llama.rope.scaling.type", "linear");
    out.set("llama.rope.scaling.factor", static_cast<float>(config.rope_scaling.factor));
  }
  out.set("llama.vocab_size", extent("vocab"));
  return out;
}

// The hyper-parameters of a file that already is a GGUF.
Metadata copied_metadata(const Metadata& source) {
  Metadata out;
  for (const auto& [key, value] : source.pairs()) {
    if (key == "general.architecture" || key == "general.name" || key.starts_with("llama.")) out.set(key, value);
  }
  return out;
}

// Within each head, dimensions (i, i + d/2) become neighbours (2i, 2i + 1).
std::vector<std::uint32_t> neighbours_from_halves(std::uint64_t rows, std::uint64_t head_dim) {
  std::vector<std::uint32_t> order(rows);
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t head = row / head_dim, within = row % head_dim;
    order[row] = u32(head * head_dim + (within % 2) * (head_dim / 2) + within / 2);
  }
  return order;
}

bool is_rotated(LlamaSlot slot) {
  return slot == LlamaSlot::kQ || slot == LlamaSlot::kK || slot == LlamaSlot::kQBias || slot == LlamaSlot::kKBias;
}

// llama.cpp wants the divisors of Llama 3.1's scaling as a tensor.
std::vector<ExtraTensor> extras_of(const LlamaConfig& config) {
  std::vector<float> factors = config.rope_factors;
  if (config.rope_scaling.kind == RopeScaling::Kind::kLlama3) {
    const std::vector<double> frequencies = rope_frequencies(u32(config.head_dim), config.rope_base);
    for (const double divisor : rope_divisors(frequencies, config.rope_scaling))
      factors.push_back(static_cast<float>(divisor));
  }
  if (factors.empty()) return {};
  return {{"rope_freqs.weight", std::move(factors)}};
}

}  // namespace

ExportMap llama_to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const LlamaConfig config = read_llama_config(checkpoint);
  const bool from_gguf = config.naming == LlamaNaming::kGguf;
  ExportMap map;
  map.metadata = from_gguf ? copied_metadata(checkpoint.metadata()) : metadata_of(spec, config, checkpoint.config());
  map.extras = extras_of(config);
  if (!from_gguf && config.window && config.window < spec.extent("context"))
    map.notes.push_back(
        fmt::format("the sliding window of {} positions is not part of a GGUF file of this family: beyond them "
                    "its runtimes attend to everything",
                    config.window));
  for (std::size_t i = 0; i < spec.weights.size(); ++i) {
    const Weight& weight = spec.weights[i];
    const LlamaTensor& tensor = find_llama_tensor(weight.tensor, config.naming, weight.layer);
    ExportedWeight out{i, tensor_name(tensor, LlamaNaming::kGguf, weight.layer), {}};
    if (!from_gguf && is_rotated(tensor.slot)) {
      out.row_order = neighbours_from_halves(weight.axes.front().extent, spec.extent("head_dim"));
    }
    map.weights.push_back(std::move(out));
  }
  return map;
}

}  // namespace quern
