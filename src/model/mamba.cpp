// Mamba-1 (Gu and Dao 2023): no attention; each layer convolves, then scans with a state that the input selects.
#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "model/architectures.h"
#include "model/decoder.h"
#include "model/family_names.h"
#include "model/infer_extents.h"
#include "model/to_transformers.h"

namespace quern {
namespace {

constexpr const char* kName = "mamba";
constexpr TransformersClass kClasses[] = {{"MambaForCausalLM", "mamba"}};
const Roots kRoots{{"backbone.", ""}, "layers.", "embeddings.weight"};
constexpr std::uint64_t kGgufContext = 1 << 20;  // what llama.cpp's converter writes; a state has no length

// What llama.cpp's loader asks of every model is 0 here. The rank may be "auto" and is read by itself, "inner" follows
// from "expand".
using enum HyperRow::Kind;
constexpr HyperRow kValues[] = {
    {"context", {nullptr, "context_length"}, 0, kRepeat},
    {"hidden", {"hidden_size", "embedding_length"}},
    {"feed forward", {nullptr, "feed_forward_length"}, 0, kZero},
    {"heads", {nullptr, "attention.head_count"}, 0, kZero},
    {"layers", {"num_hidden_layers", "block_count"}, 10000},
    {"kernel", {"conv_kernel", "ssm.conv_kernel"}, 1 << 10},
    {"inner", {nullptr, "ssm.inner_size"}},
    {"inner", {"intermediate_size", nullptr}, 0, kRepeat},
    {"state", {"state_size", "ssm.state_size"}, 1 << 16},
    {"rank", {"time_step_rank", "ssm.time_step_rank"}, 0, kRepeat},
    {kEpsilonName, {"layer_norm_epsilon", "attention.layer_norm_rms_epsilon"}, 0, kReal},
};

bool recognises(const Checkpoint& checkpoint) {
  return is_gguf_of(checkpoint, kName) || find_class(checkpoint, kClasses) >= 0;
}

bool has_tensors(const Checkpoint& checkpoint) {
  return has_suffixes(checkpoint, {"mixer.A_log", "mixer.x_proj.weight", "mixer.dt_proj.weight"}) ||
         has_suffixes(checkpoint, {"ssm_a", "ssm_x.weight", "ssm_dt.weight"});
}

std::vector<TensorRow> tensor_rows() {
  using enum TensorRow::Place;
  using enum TensorRow::Spelling;
  constexpr const char *kBias = "use_bias", *kConvBias = "use_conv_bias";
  return {
      {kEmbedKey, "embed", "embeddings.weight", "token_embd.weight", {"vocab", "hidden"}, "", "", kModel},
      {"attn_norm", "norm", "norm.weight", "attn_norm.weight", {"hidden"}},
      {"ssm_in", "ssm.in", "mixer.in_proj.weight", "ssm_in.weight", {"2*inner", "hidden"}, "ssm.in"},
      {"ssm_in_b", "ssm.in.bias", "mixer.in_proj.bias", "ssm_in.bias", {"2*inner"}, "", kBias},
      {"ssm_conv",
       "ssm.conv",
       "mixer.conv1d.weight",
       "ssm_conv1d.weight",
       {"inner", "kernel"},
       "",
       "",
       kLayer,
       kUnitAxis},
      {"ssm_conv_b", "ssm.conv.bias", "mixer.conv1d.bias", "ssm_conv1d.bias", {"inner"}, "", kConvBias},
      {"ssm_dt", "ssm.dt", "mixer.dt_proj.weight", "ssm_dt.weight", {"inner", "rank"}, "ssm.dt"},
      {"ssm_dt_b", "ssm.dt.bias", "mixer.dt_proj.bias", "ssm_dt.bias", {"inner"}},
      {"ssm_a", "ssm.A_log", "mixer.A_log", "ssm_a", {"inner", "state"}},
      {"ssm_x", "ssm.x", "mixer.x_proj.weight", "ssm_x.weight", {"rank+2*state", "inner"}, "ssm.x"},
      {"ssm_d", "ssm.D", "mixer.D", "ssm_d", {"inner"}},
      {"ssm_out", "ssm.out", "mixer.out_proj.weight", "ssm_out.weight", {"hidden", "inner"}, "ssm.out"},
      {"ssm_out_b", "ssm.out.bias", "mixer.out_proj.bias", "ssm_out.bias", {"hidden"}, "", kBias},
      {"output_norm", "norm", "norm_f.weight", "output_norm.weight", {"hidden"}, "", "", kModel},
      {kHeadKey, "head", "lm_head.weight", "output.weight", {"vocab", "hidden"}, "head.in", kHeadOption, kModel},
  };
}

struct Mamba {
  HyperParameters parameters;
  Naming naming;
  DecoderConfig config;

  Mamba(const Checkpoint& checkpoint, ConfigUse use)
      : parameters(checkpoint, "mamba.", use), naming(find_naming(checkpoint, kRoots)) {
    read_extents();
    parameters.infer("context", kGgufContext, "a state has no length");
    config.epsilon = parameters.real_or(kEpsilonName, key_of(kValues, kEpsilonName), 1e-5);
    if (!std::isfinite(config.epsilon) || config.epsilon <= 0)
      fail(ErrorCode::kInput, "{} gives {} as the epsilon of the norms", parameters.place(), config.epsilon);
    config.tied_head = parameters.flag({"tie_word_embeddings", nullptr});
    if (parameters.flag({nullptr, "ssm.dt_b_c_rms"}).value_or(false))
      fail(ErrorCode::kInput,
           "the GGUF metadata says mamba.ssm.dt_b_c_rms true (Falcon-Mamba), which is not supported");
    if (const std::string act = parameters.text({"hidden_act", nullptr}).value_or("silu"); act != "silu")
      fail(ErrorCode::kInput, "config.json says hidden_act \"{}\"; only \"silu\" is supported", act);
  }

  void read_extents() {
    quern::read_extents(parameters, kValues);
    quern::read_extents(parameters, {&kVocabularyRow, 1});
    infer_extents(parameters, naming, {tensor_rows().front()});  // the embedding shows hidden, which the next need
    read_products();
    infer_extents(parameters, naming, tensor_rows());
    parameters.fall_back("inner", 2 * parameters["hidden"]);
    parameters.fall_back("state", 16);
    parameters.fall_back("kernel", 4);
    parameters.fall_back("rank", (parameters["hidden"] + 15) / 16);
  }

  // What config.json gives as a multiple of the hidden channels. "intermediate_size" is written by transformers but
  // computed from "expand".
  void read_products() {
    const std::uint64_t hidden = parameters["hidden"];
    if (const std::optional<double> expand = parameters.real({"expand", nullptr})) {
      if (!(*expand > 0 && *expand < 1024)) fail(ErrorCode::kInput, "config.json says expand {}", *expand);
      parameters.state("inner", static_cast<std::uint64_t>(*expand * static_cast<double>(hidden)),
                       fmt::format("expand {:g}", *expand));
    }
    const bool transformers = parameters.source() == HyperParameters::Source::kTransformers;
    const Json* rank = transformers ? parameters.checkpoint().config().find("time_step_rank") : nullptr;
    if (rank && *rank == Json("auto"))
      parameters.state("rank", (hidden + 15) / 16, "time_step_rank \"auto\"");
    else
      parameters.extent("rank", key_of(kValues, "rank"));
  }
};

void lay_layer(SpecBuilder& builder, const Mamba& model) {
  const HyperParameters& p = model.parameters;
  const std::uint32_t inner = to_u32(p["inner"]), rank = to_u32(p["rank"]), state = to_u32(p["state"]);
  const auto decay = model.naming.gguf ? SelectiveScanOp::Decay::kNegated : SelectiveScanOp::Decay::kLog;
  builder.add(RmsNormOp{model.config.epsilon}, {"hidden"}, "ssm.in", {builder.weight("attn_norm")});
  builder.linear("ssm_in", "ssm_in_b", "ssm.in", "xz");
  builder.add(SliceOp{0, inner}, {"xz"}, "x.raw");
  builder.add(SliceOp{inner, inner}, {"xz"}, "z");
  std::vector<std::size_t> conv{builder.weight("ssm_conv")};
  if (builder.has("ssm_conv_b")) conv.push_back(builder.weight("ssm_conv_b"));
  builder.add(CausalConvOp{to_u32(p["kernel"])}, {"x.raw"}, "x.conv", std::move(conv));
  builder.add(SiluOp{}, {"x.conv"}, "x");
  builder.linear("ssm_x", nullptr, "x", "dbc");
  builder.add(SliceOp{0, rank}, {"dbc"}, "dt.low");
  builder.add(SliceOp{rank, state}, {"dbc"}, "b");
  builder.add(SliceOp{rank + state, state}, {"dbc"}, "c");
  builder.linear("ssm_dt", "ssm_dt_b", "dt.low", "dt");
  builder.add(SelectiveScanOp{state, decay}, {"x", "dt", "b", "c"}, "y",
              {builder.weight("ssm_a"), builder.weight("ssm_d")});
  builder.add(SiluMulOp{}, {"z", "y"}, "ssm.gated");
  builder.linear("ssm_out", "ssm_out_b", "ssm.gated", "ssm.delta");
  builder.add(AddOp{}, {"hidden", "ssm.delta"}, "hidden");
}

bool has_name(std::string_view tensor) {
  static const FamilyNames names(tensor_rows(), kRoots);
  return names.contains(tensor);
}

ModelSpec describe(const Checkpoint& checkpoint, ConfigUse use) {
  Mamba model(checkpoint, use);
  const auto option = [&](const char* name) { return model.parameters.flag({name, nullptr}); };
  SpecBuilder builder(kName, model.parameters, model.naming, tensor_rows(),
                      {{"use_bias", option("use_bias")},
                       {"use_conv_bias", option("use_conv_bias")},
                       head_option(model.parameters, model.config.tied_head)},
                      [](std::string_view) { return false; });
  return builder.build([&] { lay_embedding(builder); }, [&] { lay_layer(builder, model); },
                       [&] { lay_final_norm(builder, model.config); });
}

// What llama.cpp's loader of this family refuses or leaves out.
void check_exportable(const ModelSpec& spec) {
  if (spec.extent("inner") != 2 * spec.extent("hidden"))
    fail(ErrorCode::kInfeasible,
         "the model has {} inner channels for {} hidden ones; a GGUF file of this family holds "
         "only models with twice as many",
         spec.extent("inner"), spec.extent("hidden"));
  refuse_roles(spec, {"ssm.in.bias", "ssm.out.bias"});
  if (std::ranges::find(spec.weights, "ssm.conv.bias", &Weight::role) == spec.weights.end())
    fail(ErrorCode::kInfeasible, "the convolutions have no bias, which a GGUF file of this family must have");
}

ExportMap to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  check_exportable(spec);
  const Mamba model(checkpoint, ConfigUse::kTrust);
  ExportMap map;
  map.weights = exported_weights(spec);
  if (is_gguf_of(checkpoint, kName)) {
    map.metadata = copied_metadata(checkpoint.metadata(), "mamba.");
    return map;
  }
  for (ExportedWeight& weight : map.weights)
    if (spec.weights[weight.weight].role == "ssm.A_log" && !model.naming.gguf)
      weight.transform = ExportedWeight::Transform::kNegatedExp;
  map.metadata = general_metadata(kName);
  write_values(kValues, spec, {{kEpsilonName, model.config.epsilon}}, "mamba.", map.metadata);
  map.metadata.set("mamba.ssm.dt_b_c_rms", false);
  return map;
}

// "expand": the multiple of the hidden channels that the inner ones are.
Json expansion(const ModelSpec& spec) {
  const std::uint64_t inner = spec.extent("inner"), hidden = spec.extent("hidden");
  if (inner % hidden == 0) return inner / hidden;
  const double expand = static_cast<double>(inner) / static_cast<double>(hidden);
  if (static_cast<std::uint64_t>(expand * static_cast<double>(hidden)) != inner)
    fail(ErrorCode::kInfeasible, "no \"expand\" of config.json makes {} inner channels of {} hidden ones", inner,
         hidden);
  return expand;
}

ExportMap to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Mamba model(checkpoint, ConfigUse::kTrust);
  ExportMap map;
  map.config = transformers_config(kClasses[0], spec, kValues, {{kEpsilonName, model.config.epsilon}}, tensor_rows());
  map.config.set("expand", expansion(spec));
  map.config.set("hidden_act", "silu");
  map.weights = transformers_weights(spec, tensor_rows(), kRoots);
  for (ExportedWeight& weight : map.weights)
    if (spec.weights[weight.weight].role == "ssm.A_log") weight.transform = ExportedWeight::Transform::kLogOfNegated;
  return map;
}

}  // namespace

const Architecture kMamba = {
    .name = kName,
    .summary = "causal convolution and selective scan, no attention",
    .models = "Mamba 130M to 2.8B (Mamba-1)",
    .recognises = recognises,
    .has_tensors = has_tensors,
    .has_name = has_name,
    .describe = describe,
    .to_gguf = to_gguf,
    .to_transformers = to_transformers,
};

}  // namespace quern
