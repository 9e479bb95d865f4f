// Llama as a graph: checks the tensors against the configuration, then lays down embedding, layers and head.
#include "model/llama.h"

#include <algorithm>
#include <unordered_set>

#include "model/llama_tensors.h"
#include "quern/error.h"

namespace quern {
namespace {

using Presence = LlamaTensor::Presence;

constexpr std::size_t kNamesShown = 5;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kNamesShown ? text + ", ..." : text;
}

// Tensors that carry no weights of their own: tables a runtime recomputes, and the copy of the embedding that a tied
// model ignores.
bool is_derived(std::string_view name, const LlamaConfig& config) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("attn_rot_embd.weight") ||
         name == "rope_freqs.weight" ||
         (config.tied_head && name == tensor_name(llama_tensor(LlamaSlot::kHead), config.naming, -1));
}

class LlamaBuilder {
 public:
  LlamaBuilder(const Checkpoint& checkpoint, LlamaConfig config)
      : checkpoint_(checkpoint), config_(std::move(config)) {}

  ModelSpec build() {
    check_names();
    rope_ = rope_op();
    spec_.architecture = kLlama.name;
    spec_.extents = {{"hidden", config_.hidden},     {"layers", config_.layers},     {"heads", config_.heads},
                     {"kv_heads", config_.kv_heads}, {"head_dim", config_.head_dim}, {"inner", config_.inner},
                     {"vocab", config_.vocab},       {"context", config_.context}};
    spec_.tied_head = config_.tied_head;
    begin_block("embed", -1);
    const std::size_t embedding = weight(LlamaSlot::kEmbed);
    add(EmbedOp{}, {"ids"}, "hidden", {embedding});
    for (std::int32_t layer = 0; layer < static_cast<std::int32_t>(config_.layers); ++layer) {
      begin_block("layers." + std::to_string(layer), layer);
      attention();
      mlp();
    }
    begin_block("head", -1);
    norm(LlamaSlot::kNorm, "normed");
    if (config_.tied_head) spec_.weights[embedding].group = llama_tensor(LlamaSlot::kHead).group;
    add(LinearOp{}, {"normed"}, "logits", {config_.tied_head ? embedding : weight(LlamaSlot::kHead)});
    return std::move(spec_);
  }

 private:
  // Whether the model has the tensor at this layer.
  bool wanted(const LlamaTensor& tensor, const std::string& name) const {
    if (tensor.presence == Presence::kAlways) return tensor.slot != LlamaSlot::kHead || !config_.tied_head;
    const bool is_attention = tensor.presence == Presence::kAttentionBias;
    const std::optional<bool>& declared = is_attention ? config_.attention_bias : config_.mlp_bias;
    const bool there = checkpoint_.find(name) != nullptr;
    if (there && declared == false) {
      fail(ErrorCode::kInput, "config.json says {} false, but there is {}",
           is_attention ? "attention_bias" : "mlp_bias", name);
    }
    return declared.value_or(there);
  }

  // Every tensor that the model needs is there, and nothing else.
  void check_names() const {
    std::unordered_set<std::string> expected;
    std::vector<std::string> missing, unmatched;
    const auto expect = [&](const LlamaTensor& tensor, std::int32_t layer) {
      std::string name = tensor_name(tensor, config_.naming, layer);
      if (!wanted(tensor, name)) return;
      if (!checkpoint_.find(name)) missing.push_back(name);
      expected.insert(std::move(name));
    };
    for (const LlamaTensor& tensor : llama_tensors()) {
      if (!tensor.in_layer) expect(tensor, -1);
    }
    for (std::int32_t layer = 0; layer < static_cast<std::int32_t>(config_.layers); ++layer) {
      for (const LlamaTensor& tensor : llama_tensors()) {
        if (tensor.in_layer) expect(tensor, layer);
      }
    }
    for (const TensorEntry& entry : checkpoint_.tensors()) {
      if (!expected.contains(entry.name) && !is_derived(entry.name, config_)) unmatched.push_back(entry.name);
    }
    if (!missing.empty()) {
      fail(ErrorCode::kInput, "{}, but {} of the {} tensors that such a model needs are missing: {}",
           axis_claim(config_, "layers"), missing.size(), expected.size(), listed(missing));
    }
    if (!unmatched.empty()) {
      fail(ErrorCode::kInput, "{}, and {} tensors have no place in such a model: {}", axis_claim(config_, "layers"),
           unmatched.size(), listed(unmatched));
    }
  }

  void check_shape(const TensorEntry& entry, const std::vector<Axis>& axes) const {
    if (entry.shape.size() != axes.size()) {
      fail(ErrorCode::kInput, "{} is {}, but {} axes were expected ({}{}{})", entry.name, to_string(entry.shape),
           axes.size(), axes.front().name, axes.size() > 1 ? ", " : "", axes.size() > 1 ? axes.back().name : "");
    }
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (entry.shape[i] == axes[i].extent) continue;
      fail(ErrorCode::kInput, "{}, but {} is {}", axis_claim(config_, axes[i].name), entry.name,
           to_string(entry.shape));
    }
  }

  std::size_t weight(LlamaSlot slot) {
    const LlamaTensor& tensor = llama_tensor(slot);
    const std::string group =
        *tensor.group && tensor.in_layer ? fmt::format("layers.{}.{}", layer_, tensor.group) : tensor.group;
    Weight weight{tensor.role, tensor_name(tensor, config_.naming, layer_), {}, group, layer_};
    for (const std::string_view axis : tensor.axes)
      weight.axes.push_back({std::string(axis), axis_extent(config_, axis)});
    check_shape(checkpoint_.at(weight.tensor), weight.axes);
    spec_.weights.push_back(std::move(weight));
    return spec_.weights.size() - 1;
  }

  void begin_block(std::string name, std::int32_t layer) {
    layer_ = layer;
    spec_.blocks.push_back({std::move(name), {}});
  }

  void add(decltype(Op::kind) kind, std::vector<std::string> inputs, std::string output,
           std::vector<std::size_t> weights = {}) {
    spec_.blocks.back().ops.push_back({std::move(kind), std::move(inputs), std::move(output), std::move(weights)});
  }

  void norm(LlamaSlot slot, const char* output) { add(RmsNormOp{config_.epsilon}, {"hidden"}, output, {weight(slot)}); }

  void linear(LlamaSlot matrix, LlamaSlot bias, const char* input, const char* output) {
    std::vector<std::size_t> weights{weight(matrix)};
    const LlamaTensor& row = llama_tensor(bias);
    if (wanted(row, tensor_name(row, config_.naming, layer_))) weights.push_back(weight(bias));
    add(LinearOp{}, {input}, output, std::move(weights));
  }

  void attention() {
    norm(LlamaSlot::kAttnNorm, "attn.in");
    linear(LlamaSlot::kQ, LlamaSlot::kQBias, "attn.in", "q");
    linear(LlamaSlot::kK, LlamaSlot::kKBias, "attn.in", "k");
    linear(LlamaSlot::kV, LlamaSlot::kVBias, "attn.in", "v");
    add(rope_, {"q"}, "q.rope");
    add(rope_, {"k"}, "k.rope");
    const auto u32 = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
    add(AttentionOp{u32(config_.heads), u32(config_.kv_heads), u32(config_.head_dim), config_.attention_scale,
                    config_.window},
        {"q.rope", "k.rope", "v"}, "attn.out");
    linear(LlamaSlot::kO, LlamaSlot::kOBias, "attn.out", "attn.delta");
    add(AddOp{}, {"hidden", "attn.delta"}, "hidden");
  }

  void mlp() {
    norm(LlamaSlot::kMlpNorm, "mlp.in");
    linear(LlamaSlot::kGate, LlamaSlot::kGateBias, "mlp.in", "gate");
    linear(LlamaSlot::kUp, LlamaSlot::kUpBias, "mlp.in", "up");
    add(SiluMulOp{}, {"gate", "up"}, "mlp.out");
    linear(LlamaSlot::kDown, LlamaSlot::kDownBias, "mlp.out", "mlp.delta");
    add(AddOp{}, {"hidden", "mlp.delta"}, "hidden");
  }

  RopeOp rope_op() const {
    const auto head_dim = static_cast<std::uint32_t>(config_.head_dim);
    RopeOp op{head_dim, config_.naming == LlamaNaming::kGguf ? RopeOp::Pairing::kNeighbours : RopeOp::Pairing::kHalves,
              rope_frequencies(head_dim, config_.rope_base)};
    const std::vector<double> divisors = rope_divisors(op.inverse_frequencies, config_.rope_scaling);
    for (std::size_t i = 0; i < divisors.size(); ++i) {
      op.inverse_frequencies[i] /= divisors[i] * (config_.rope_factors.empty() ? 1.0 : config_.rope_factors[i]);
    }
    return op;
  }

  const Checkpoint& checkpoint_;
  LlamaConfig config_;
  RopeOp rope_;
  ModelSpec spec_;
  std::int32_t layer_ = -1;
};

}  // namespace

ModelSpec describe_llama(const Checkpoint& checkpoint) {
  return LlamaBuilder(checkpoint, read_llama_config(checkpoint)).build();
}

const Architecture kLlama = {
    .name = "llama",
    .summary = "Llama and Mistral: RMS norms, rotary positions, grouped-query attention, gated MLP",
    .recognises = is_llama,
    .describe = describe_llama,
    .to_gguf = llama_to_gguf,
};

}  // namespace quern
