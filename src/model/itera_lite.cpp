// Itera-Lite (github.com/CisnerosCodes/Itera-Lite): each layer scans with one small state for all channels, whose B and
// C do not depend on the input; every other layer has a mixture of experts. Its checkpoints have no configuration.
#include "base/fail.h"
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"
#include "model/infer_extents.h"

namespace quern {
namespace {

constexpr const char* kName = "itera_lite";
const Roots kRoots{{""}, "layers.", "embedding.weight"};
// Options that the tensors decide: a layer has a mixture, or else a plain MLP.
constexpr const char *kMixture = "mixture", *kPlain = "plain MLP";
constexpr HyperKey kNoKey{nullptr, nullptr};

bool recognises(const Checkpoint&) { return false; }

bool has_tensors(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {"ssm.in_proj.weight", "ssm.ssm.A_log", "ssm.ssm.delta_proj.weight"});
}

std::vector<TensorRow> scan_rows() {
  using enum TensorRow::Place;
  using enum TensorRow::Spelling;
  return {
      {"attn_norm", "norm", "ssm.norm.weight", "attn_norm.weight", {"hidden"}},
      {"attn_norm_b", "norm.bias", "ssm.norm.bias", "attn_norm.bias", {"hidden"}},
      {"ssm_in", "ssm.in", "ssm.in_proj.weight", "ssm_in.weight", {"2*inner", "hidden"}, "ssm.in"},
      {"ssm_conv",
       "ssm.conv",
       "ssm.conv1d.weight",
       "ssm_conv1d.weight",
       {"inner", "kernel"},
       "",
       "",
       kLayer,
       kUnitAxis},
      {"ssm_conv_b", "ssm.conv.bias", "ssm.conv1d.bias", "ssm_conv1d.bias", {"inner"}},
      {"ssm_a", "ssm.A_log", "ssm.ssm.A_log", "ssm_a", {"state"}},
      {"ssm_b", "ssm.B", "ssm.ssm.B", "ssm_b.weight", {"state", "inner"}, "ssm.x"},
      {"ssm_c", "ssm.C", "ssm.ssm.C", "ssm_c.weight", {"inner", "state"}, "ssm.state"},
      {"ssm_d", "ssm.D", "ssm.ssm.D", "ssm_d", {"inner"}},
      {"ssm_dt", "ssm.dt", "ssm.ssm.delta_proj.weight", "ssm_dt.weight", {"inner", "inner"}, "ssm.x"},
      {"ssm_dt_b", "ssm.dt.bias", "ssm.ssm.delta_proj.bias", "ssm_dt.bias", {"inner"}},
      {"ssm_out", "ssm.out", "ssm.out_proj.weight", "ssm_out.weight", {"hidden", "inner"}, "ssm.out"},
  };
}

std::vector<TensorRow> plain_rows() {
  return {
      {"ffn_norm", "norm", "moe.norm.weight", "ffn_norm.weight", {"hidden"}, "", kPlain},
      {"ffn_norm_b", "norm.bias", "moe.norm.bias", "ffn_norm.bias", {"hidden"}, "", kPlain},
      {"ffn_up", "mlp.up", "moe.ffn.w1.weight", "ffn_up.weight", {"wide", "hidden"}, "mlp.in", kPlain},
      {"ffn_down", "mlp.down", "moe.ffn.w2.weight", "ffn_down.weight", {"hidden", "wide"}, "mlp.out", kPlain},
  };
}

// What stands before the names of a mixture's tensors.
enum class Mixture { kLayer, kMoe };  // "moe.layer.", the class's own; "moe.moe.", of the project's pruning scripts

std::vector<TensorRow> mixture_rows(Mixture mixture) {
  const auto name = [&](const char* of_layer, const char* of_moe) {
    return mixture == Mixture::kLayer ? of_layer : of_moe;
  };
  return {
      {"moe_norm",
       "norm",
       name("moe.layer.norm.weight", "moe.moe.norm.weight"),
       "moe_norm.weight",
       {"hidden"},
       "",
       kMixture},
      {"moe_norm_b",
       "norm.bias",
       name("moe.layer.norm.bias", "moe.moe.norm.bias"),
       "moe_norm.bias",
       {"hidden"},
       "",
       kMixture},
      {"router",
       "moe.router",
       name("moe.layer.router.gate.weight", "moe.moe.router.gate.weight"),
       "ffn_gate_inp.weight",
       {"experts", "hidden"},
       "mlp.in",
       kMixture},
      {"experts_up",
       "moe.up",
       name("moe.layer.experts.*.w1.weight", "moe.moe.experts.*.w1.weight"),
       "ffn_up_exps.weight",
       {"experts", "wide", "hidden"},
       "moe.in",
       kMixture},
      {"experts_down",
       "moe.down",
       name("moe.layer.experts.*.w2.weight", "moe.moe.experts.*.w2.weight"),
       "ffn_down_exps.weight",
       {"experts", "hidden", "wide"},
       "moe.out",
       kMixture},
  };
}

std::vector<TensorRow> tensor_rows(Mixture mixture) {
  using enum TensorRow::Place;
  const std::vector<TensorRow> model{
      {kEmbedKey, "embed", "embedding.weight", "token_embd.weight", {"vocab", "hidden"}, "", "", kModel},
      {"position",
       "pos_embed",
       "position_embedding.weight",
       "position_embd.weight",
       {"context", "hidden"},
       "",
       "",
       kModel},
      {"output_norm", "norm", "norm.weight", "output_norm.weight", {"hidden"}, "", "", kModel},
      {"output_norm_b", "norm.bias", "norm.bias", "output_norm.bias", {"hidden"}, "", "", kModel},
      {kHeadKey, "head", "lm_head.weight", "output.weight", {"vocab", "hidden"}, "head.in", kHeadOption, kModel},
  };
  return joined({model, scan_rows(), plain_rows(), mixture_rows(mixture)});
}

Mixture find_mixture(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {".moe.moe.router.gate.weight"}) ? Mixture::kMoe : Mixture::kLayer;
}

// How often each expert was chosen in training.
bool is_derived(std::string_view name) { return name.ends_with(".router.expert_counts"); }

struct IteraLite {
  HyperParameters parameters;
  Naming naming;
  std::vector<TensorRow> rows;
  double epsilon = 1e-5;
  std::uint32_t used = 2;

  IteraLite(const Checkpoint& checkpoint, ConfigUse use)
      : parameters(checkpoint, "", use),
        naming(find_naming(checkpoint, kRoots)),
        rows(tensor_rows(find_mixture(checkpoint))) {
    infer_extents(parameters, naming, rows);
    epsilon = parameters.real_or(kEpsilonName, kNoKey, epsilon);
    if (!parameters.knows("experts")) return;
    used = to_u32(parameters.whole_or("experts used", kNoKey, used));
    if (used > parameters["experts"])
      fail(ErrorCode::kInput, "{}; a mixture of this family chooses {}", parameters.claim("experts"), used);
  }
};

void lay_norm(SpecBuilder& builder, const IteraLite& model, const char* gain, const char* bias, const char* output) {
  builder.add(LayerNormOp{model.epsilon}, {"hidden"}, output, {builder.weight(gain), builder.weight(bias)});
}

void lay_scan(SpecBuilder& builder, const IteraLite& model) {
  const std::uint32_t inner = to_u32(model.parameters["inner"]);
  lay_norm(builder, model, "attn_norm", "attn_norm_b", "ssm.in");
  builder.linear("ssm_in", nullptr, "ssm.in", "xz");
  builder.add(SliceOp{0, inner}, {"xz"}, "x.raw");
  builder.add(SliceOp{inner, inner}, {"xz"}, "z");
  builder.add(CausalConvOp{to_u32(model.parameters["kernel"])}, {"x.raw"}, "x.conv",
              {builder.weight("ssm_conv"), builder.weight("ssm_conv_b")});
  builder.add(SiluOp{}, {"x.conv"}, "x");
  builder.linear("ssm_dt", "ssm_dt_b", "x", "dt");
  builder.linear("ssm_b", nullptr, "x", "u");
  builder.add(SharedStepScanOp{to_u32(model.parameters["state"])}, {"u", "dt"}, "ssm.state", {builder.weight("ssm_a")});
  builder.linear("ssm_c", nullptr, "ssm.state", "y.read");
  builder.add(ScaledAddOp{}, {"y.read", "x"}, "y", {builder.weight("ssm_d")});
  builder.add(SiluMulOp{}, {"z", "y"}, "ssm.gated");
  builder.linear("ssm_out", nullptr, "ssm.gated", "ssm.delta");
  builder.add(AddOp{}, {"hidden", "ssm.delta"}, "hidden");
}

// Some of the project's own files hold a norm and a router of [0, hidden] where a mixture stood. Weights that nothing
// reads go along.
void lay_lost_mixture(SpecBuilder& builder, IteraLite& model, std::size_t layer) {
  builder.weight("moe_norm");
  builder.weight("moe_norm_b");
  model.parameters.note({fmt::format("mixture of layer {}", layer), "of no experts",
                         "assumed: the file holds none, and nothing is added in this layer", Evidence::Kind::kAssumed});
}

void lay_mlp(SpecBuilder& builder, IteraLite& model, std::size_t layer) {
  if (builder.has("moe_norm") && !builder.has("experts_up")) return lay_lost_mixture(builder, model, layer);
  if (builder.has("router")) {
    lay_norm(builder, model, "moe_norm", "moe_norm_b", "mlp.in");
    builder.linear("router", nullptr, "mlp.in", "router");
    builder.add(ExpertsOp{to_u32(model.parameters["experts"]), model.used, ExpertsOp::Inner::kGelu},
                {"mlp.in", "router"}, "mlp.delta", {builder.weight("experts_up"), builder.weight("experts_down")});
  } else {
    lay_norm(builder, model, "ffn_norm", "ffn_norm_b", "mlp.in");
    builder.linear("ffn_up", nullptr, "mlp.in", "up");
    builder.add(GeluOp{GeluOp::Form::kExact}, {"up"}, "mlp.out");
    builder.linear("ffn_down", nullptr, "mlp.out", "mlp.delta");
  }
  builder.add(AddOp{}, {"hidden", "mlp.delta"}, "hidden");
}

bool has_name(std::string_view tensor) {
  static const FamilyNames names(joined({tensor_rows(Mixture::kLayer), mixture_rows(Mixture::kMoe)}), kRoots);
  return is_derived(tensor) || names.contains(tensor);
}

// The head is the embedding in every model of the class, and a state dictionary holds it under both names. Where a
// quantizer rounded the head alone, it takes fewer bytes, and is another matrix.
bool has_tied_head(const Checkpoint& checkpoint) {
  const TensorEntry *head = checkpoint.find("lm_head.weight"), *embedding = checkpoint.find("embedding.weight");
  return !head || !embedding || head->bytes() == embedding->bytes();
}

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  IteraLite model(checkpoint, use);
  SpecBuilder builder(
      kName, model.parameters, model.naming, model.rows,
      {head_option(model.parameters, has_tied_head(checkpoint)), {kMixture, std::nullopt}, {kPlain, std::nullopt}},
      is_derived);
  std::size_t layer = 0;
  return builder.build(
      [&] {
        builder.add(EmbedOp{}, {"ids"}, "embedded", {builder.weight(kEmbedKey)});
        builder.add(PositionsOp{}, {"embedded"}, "hidden", {builder.weight("position")});
      },
      [&] {
        lay_scan(builder, model);
        lay_mlp(builder, model, layer++);
      },
      [&] { lay_norm(builder, model, "output_norm", "output_norm_b", "normed"); });
}

ExportMap to_gguf(const ModelSpec&, const Checkpoint&) {
  fail(ErrorCode::kInfeasible,
       "no runtime of GGUF files knows models of the family {}; take `scheme` simple with `format` safetensors", kName);
}

}  // namespace

const Architecture kIteraLite = {
    .name = kName,
    .summary = "scan with constant B and C and one step a token, a mixture in every other layer",
    .models = "Itera-Lite tiny and micro",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
};

}  // namespace quern
