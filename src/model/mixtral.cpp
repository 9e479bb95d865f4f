// Mixtral: a Llama whose MLP is a mixture of experts.
#include "base/fail.h"
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"

namespace quern {
namespace {

constexpr const char* kName = "mixtral";
constexpr const char* kGgufName = "llama";  // in GGUF a Llama with llama.expert_count
constexpr DecoderMember kMember{{"MixtralForCausalLM", "mixtral"}, 131072, 8, 0, 0, 1e-5, 1000000};
constexpr TransformersClass kClasses[] = {kMember.name};
constexpr std::uint64_t kExpertLimit = 4096;
constexpr const char* kUsedName = "experts used";
constexpr HyperRow kExpertValues[] = {
    {"experts", {"num_local_experts", "expert_count"}, kExpertLimit},
    {kUsedName, {"num_experts_per_tok", "expert_used_count"}, 0, HyperRow::Kind::kWhole},
};

bool recognises(const Checkpoint& checkpoint) {
  const bool gguf = is_gguf_of(checkpoint, kGgufName) && is_gguf_mixture(checkpoint);
  return gguf || find_class(checkpoint, kClasses) >= 0;
}

bool has_tensors(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {"block_sparse_moe.gate.weight"}) ||
         has_suffixes(checkpoint, {"mlp.experts.gate_up_proj", "mlp.gate.weight"}) ||
         has_suffixes(checkpoint, {"ffn_gate_inp.weight", "attn_q.weight"});
}

// How the experts are stored: each matrix apart; all of a layer in one tensor, gate above up; in one tensor each.
enum class Experts { kApart, kFused, kStacked };

Experts find_experts(const Checkpoint& checkpoint, const Naming& naming) {
  if (naming.gguf) return Experts::kStacked;
  return has_suffixes(checkpoint, {"mlp.experts.gate_up_proj"}) ? Experts::kFused : Experts::kApart;
}

std::vector<TensorRow> expert_rows(Experts experts) {
  const bool fused = experts == Experts::kFused;
  std::vector<TensorRow> rows{{"router",
                               "moe.router",
                               fused ? "mlp.gate.weight" : "block_sparse_moe.gate.weight",
                               "ffn_gate_inp.weight",
                               {"experts", "hidden"},
                               "mlp.in"}};
  if (fused) {
    rows.push_back({"experts_gate_up",
                    "moe.gate_up",
                    "mlp.experts.gate_up_proj",
                    "ffn_gate_up_exps.weight",
                    {"experts", "2*inner", "hidden"},
                    "moe.in"});
  } else {
    rows.push_back({"experts_gate",
                    "moe.gate",
                    "block_sparse_moe.experts.*.w1.weight",
                    "ffn_gate_exps.weight",
                    {"experts", "inner", "hidden"},
                    "moe.in"});
    rows.push_back({"experts_up",
                    "moe.up",
                    "block_sparse_moe.experts.*.w3.weight",
                    "ffn_up_exps.weight",
                    {"experts", "inner", "hidden"},
                    "moe.in"});
  }
  rows.push_back({"experts_down",
                  "moe.down",
                  fused ? "mlp.experts.down_proj" : "block_sparse_moe.experts.*.w2.weight",
                  "ffn_down_exps.weight",
                  {"experts", "hidden", "inner"},
                  "moe.out"});
  return rows;
}

struct Mixtral {
  HyperParameters parameters;
  Naming naming;
  Experts experts;
  std::vector<TensorRow> rows;
  DecoderConfig config;
  std::uint32_t used = 2;

  Mixtral(const Checkpoint& checkpoint, ConfigUse use)
      : parameters(checkpoint, "llama.", use),
        naming(find_naming(checkpoint, decoder_roots())),
        experts(find_experts(checkpoint, naming)),
        rows(joined({decoder_model_rows(), attention_rows(), expert_rows(experts)})) {
    read_extents(parameters, kExpertValues);
    config = read_decoder(parameters, kMember, naming, rows);
    parameters.fall_back("experts", 8);
    const HyperKey key = key_of(kExpertValues, kUsedName);
    used = to_u32(parameters.whole_or(kUsedName, key, 2));
    if (used == 0 || used > parameters["experts"])
      fail(ErrorCode::kInput, "{} says {} {}, but there are {} experts", parameters.place(), parameters.word(key), used,
           parameters["experts"]);
  }
};

void lay_experts(SpecBuilder& builder, const Mixtral& model) {
  builder.add(RmsNormOp{model.config.epsilon}, {"hidden"}, "mlp.in", {builder.weight("ffn_norm")});
  builder.linear("router", nullptr, "mlp.in", "router");
  std::vector<std::size_t> weights;
  if (model.experts == Experts::kFused) {
    weights = {builder.weight("experts_gate_up")};
  } else {
    weights = {builder.weight("experts_gate"), builder.weight("experts_up")};
  }
  weights.push_back(builder.weight("experts_down"));
  builder.add(ExpertsOp{to_u32(model.parameters["experts"]), model.used}, {"mlp.in", "router"}, "mlp.delta",
              std::move(weights));
  builder.add(AddOp{}, {"hidden", "mlp.delta"}, "hidden");
}

bool has_name(std::string_view tensor) {
  static const FamilyNames names(
      joined({decoder_model_rows(), attention_rows(), expert_rows(Experts::kApart), expert_rows(Experts::kFused)}),
      decoder_roots());
  return is_rotary_table(tensor) || names.contains(tensor);
}

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  Mixtral model(checkpoint, use);
  SpecBuilder builder(
      kName, model.parameters, model.naming, model.rows,
      {{"attention_bias", false, kMember.name.architecture}, head_option(model.parameters, model.config.tied_head)},
      is_rotary_table);
  const AttentionParts parts{rope_op(model.config.rope, model.parameters["head_dim"], llama_pairing(model.naming)),
                             model.config.window};
  return builder.build([&] { lay_embedding(builder); },
                       [&] {
                         lay_attention(builder, model.parameters, model.config, parts);
                         lay_experts(builder, model);
                       },
                       [&] { lay_final_norm(builder, model.config); });
}

// Half `half` (0: gate, 1: up) of each expert's rows.
ExportedWeight half_of(const ModelSpec& spec, const ExportedWeight& fused, std::uint64_t half, const char* name) {
  const std::uint64_t experts = spec.extent("experts"), inner = spec.extent("inner");
  ExportedWeight out{.weight = fused.weight, .name = fused.name};
  out.name.replace(out.name.rfind("ffn_"), std::string::npos, name);
  out.shape = {experts, inner, spec.extent("hidden")};
  for (std::uint64_t e = 0; e < experts; ++e)
    for (std::uint64_t i = 0; i < inner; ++i) out.row_order.push_back(to_u32((2 * e + half) * inner + i));
  return out;
}

ExportMap to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Mixtral model(checkpoint, ConfigUse::kTrust);
  ExportMap map;
  map.metadata = decoder_metadata(spec, checkpoint, model.config, kGgufName);
  if (!is_gguf_of(checkpoint, kGgufName))
    write_values(kExpertValues, spec, {{kUsedName, model.used}}, "llama.", map.metadata);
  std::vector<ExportedWeight> weights = exported_weights(spec);
  if (!model.naming.gguf) pair_neighbours(spec, weights);
  for (ExportedWeight& weight : weights) {
    if (spec.weights[weight.weight].role == "moe.gate_up") {
      map.weights.push_back(half_of(spec, weight, 0, "ffn_gate_exps.weight"));
      map.weights.push_back(half_of(spec, weight, 1, "ffn_up_exps.weight"));
    } else {
      map.weights.push_back(std::move(weight));
    }
  }
  add_rope_and_window(map, spec, model.config);
  return map;
}

ExportMap to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Mixtral model(checkpoint, ConfigUse::kTrust);
  ExportMap map = decoder_to_transformers(spec, model.config, kMember.name, model.rows);
  write_values(kExpertValues, spec, {{kUsedName, model.used}}, map.config);
  pair_halves(spec, map.weights);
  return map;
}

}  // namespace

const Architecture kMixtral = {
    .name = kName,
    .summary = "a Llama whose MLP is a mixture of experts",
    .models = "Mixtral 8x7B and 8x22B",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
    .to_transformers = to_transformers,
};

}  // namespace quern
