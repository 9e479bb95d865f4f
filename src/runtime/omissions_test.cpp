// Each optional part of a description moves the logits when it is left out; otherwise agreeing with transformers would
// prove nothing about it. The parts are those of testdata/runtime/*/options.json.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "runtime/golden_model_fixture.h"

namespace quern {
namespace {

constexpr double kLeastMovement = 1e-2;

struct Omission {
  const char* model;
  const char* what;
  void (*leave_out)(WalkedModel&);
};
void PrintTo(const Omission& omission, std::ostream* out) { *out << omission.model << ", " << omission.what; }

template <typename Kind, typename Change>
void for_each_op(ModelSpec& spec, Change change) {
  for (Block& block : spec.blocks)
    for (Op& op : block.ops)
      if (Kind* kind = std::get_if<Kind>(&op.kind)) change(*kind, op);
}

// Every weight of the role gets one value.
void fill(WalkedModel& model, std::string_view role, float value) {
  std::size_t filled = 0;
  for (const Weight& weight : model.spec.weights) {
    if (weight.role != role) continue;
    Matrix values(weight.layout().rows, weight.layout().cols);
    std::ranges::fill(values.flat(), value);
    replace_values(model.weights, weight, values);
    ++filled;
  }
  ASSERT_GT(filled, 0u) << role;
}

// Products and convolutions whose bias has the role lose it.
void drop_bias(WalkedModel& model, std::string_view role) {
  std::size_t dropped = 0;
  for (Block& block : model.spec.blocks)
    for (Op& op : block.ops)
      if (op.weights.size() == 2 && model.spec.weights[op.weights[1]].role == role) {
        op.weights.resize(1);
        ++dropped;
      }
  ASSERT_GT(dropped, 0u) << role;
}

void set_rope_base(WalkedModel& model, double base) {
  for_each_op<RopeOp>(model.spec, [&](RopeOp& rope, Op&) {
    for (std::size_t i = 0; i < rope.inverse_frequencies.size(); ++i)
      rope.inverse_frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / rope.head_dim);
  });
}

template <typename Norm>
void set_epsilon(WalkedModel& model, double epsilon) {
  for_each_op<Norm>(model.spec, [&](Norm& norm, Op&) { norm.epsilon = epsilon; });
}

// The norms of each head that make this value let everything through.
void drop_head_norm(WalkedModel& model, const char* output) {
  for_each_op<RmsNormOp>(model.spec, [&](RmsNormOp&, Op& op) {
    if (op.output != output) return;
    const bool query = op.inputs[0] == "q";
    const std::uint64_t width = model.spec.extent(query ? "heads" : "kv_heads") * model.spec.extent("head_dim");
    op.kind = SliceOp{0, static_cast<std::uint32_t>(width)};
    op.weights.clear();
  });
}

void drop_windows(WalkedModel& model) {
  for_each_op<AttentionOp>(model.spec, [](AttentionOp& attention, Op&) { attention.window = 0; });
}
void widen_windows_by_one(WalkedModel& model) {
  for_each_op<AttentionOp>(model.spec, [](AttentionOp& attention, Op&) { attention.window += attention.window > 0; });
}
void slide_every_layer(WalkedModel& model) {
  for_each_op<AttentionOp>(model.spec, [](AttentionOp& attention, Op&) { attention.window = 12; });
}
void swap_pairing(WalkedModel& model) {
  for_each_op<RopeOp>(model.spec, [](RopeOp& rope, Op&) {
    const bool halves = rope.pairing == RopeOp::Pairing::kHalves;
    rope.pairing = halves ? RopeOp::Pairing::kNeighbours : RopeOp::Pairing::kHalves;
  });
}
void scale_every_layer_alike(WalkedModel& model) {
  for_each_op<AttentionOp>(model.spec, [](AttentionOp& attention, Op&) {
    attention.scale = 1 / std::sqrt(static_cast<double>(attention.head_dim));
  });
}
void use_silu_for_gelu(WalkedModel& model) {
  for_each_op<GeluOp>(model.spec, [](GeluOp&, Op& op) { op.kind = SiluOp{}; });
}
void use_silu_for_squared_relu(WalkedModel& model) {
  for_each_op<SquaredReluMulOp>(model.spec, [](SquaredReluMulOp&, Op& op) { op.kind = SiluMulOp{}; });
}
// The norm that makes this value from that other one lets everything through.
void drop_sub_norm(WalkedModel& model, const char* output, const char* input) {
  std::size_t dropped = 0;
  for_each_op<RmsNormOp>(model.spec, [&](RmsNormOp&, Op& op) {
    if (op.output != output || op.inputs[0] != input) return;
    const std::uint64_t width = model.spec.weights[op.weights[0]].elements();
    op.kind = SliceOp{0, static_cast<std::uint32_t>(width)};
    op.weights.clear();
    ++dropped;
  });
  ASSERT_GT(dropped, 0u) << output;
}
void use_fewer_experts(WalkedModel& model) {
  for_each_op<ExpertsOp>(model.spec, [](ExpertsOp& experts, Op&) { --experts.used; });
}

void tie_head(WalkedModel& model) { model.spec.blocks.back().ops.back().weights[0] = 0; }
// A head of its own: the embedding with its rows upside down.
void untie_head(WalkedModel& model) {
  Weight head = model.spec.weights.front();
  const Matrix embedding = model.weights.read(head);
  Matrix values(embedding.rows(), embedding.cols());
  for (std::size_t i = 0; i < values.rows(); ++i)
    std::ranges::copy(embedding.row(values.rows() - 1 - i), values.row(i).begin());
  head.tensor = "another head";
  replace_values(model.weights, head, values);
  model.spec.weights.push_back(std::move(head));
  model.spec.blocks.back().ops.back().weights[0] = model.spec.weights.size() - 1;
}

// All but the first `columns` columns from the left are kept.
void clear_columns(WalkedModel& model, std::string_view role, std::size_t columns) {
  for (const Weight& weight : model.spec.weights) {
    if (weight.role != role) continue;
    Matrix values = model.weights.read(weight);
    for (std::size_t i = 0; i < values.rows(); ++i) std::ranges::fill(values.row(i).first(columns), 0.0f);
    replace_values(model.weights, weight, values);
  }
}

// Each state of a channel decays like its first.
void use_one_decay(WalkedModel& model) {
  for (const Weight& weight : model.spec.weights) {
    if (weight.role != "ssm.A_log") continue;
    Matrix values = model.weights.read(weight);
    for (std::size_t i = 0; i < values.rows(); ++i) std::ranges::fill(values.row(i), values.row(i)[0]);
    replace_values(model.weights, weight, values);
  }
}

class Omissions : public testing::TestWithParam<Omission> {};
TEST_P(Omissions, MoveTheLogits) {
  const auto& [name, what, leave_out] = GetParam();
  const std::filesystem::path file = std::filesystem::path(QUERN_TESTDATA) / "runtime" / name;
  WalkedModel model(file);
  leave_out(model);
  if (HasFatalFailure()) return;
  const auto golden = (std::filesystem::is_directory(file) ? file : file.parent_path()) / "golden.json";
  for (const GoldenCase& c : read_golden(golden))
    EXPECT_GT(golden_error(c, model.logits(c.windows)), kLeastMovement) << what;
}

using M = WalkedModel;

constexpr Omission kOfLlama[] = {
    {"tiny-llama-bias", "bias of q", [](M& m) { drop_bias(m, "attn.q.bias"); }},
    {"tiny-llama-bias", "bias of o", [](M& m) { drop_bias(m, "attn.o.bias"); }},
    {"tiny-llama-bias", "llama3 scaling", [](M& m) { set_rope_base(m, 1000); }},
    {"tiny-llama-linear", "linear scaling", [](M& m) { set_rope_base(m, 10000); }},
    {"tiny-mistral", "sliding window", drop_windows},
    {"tiny-mistral", "exact sliding window", widen_windows_by_one},
    {"tiny-q8_0/model.gguf", "pairing", swap_pairing},
    {"tiny-mistral", "epsilon", [](M& m) { set_epsilon<RmsNormOp>(m, 0.1); }},
};
INSTANTIATE_TEST_SUITE_P(Llama, Omissions, testing::ValuesIn(kOfLlama));

constexpr Omission kOfQwen3[] = {
    {"tiny-qwen3", "norm of queries", [](M& m) { drop_head_norm(m, "q.norm"); }},
    {"tiny-qwen3", "norm of keys", [](M& m) { drop_head_norm(m, "k.norm"); }},
    {"tiny-qwen3", "gain of the norm of queries", [](M& m) { fill(m, "attn.q_norm", 1); }},
    {"tiny-qwen3", "gain of the norm of keys", [](M& m) { fill(m, "attn.k_norm", 1); }},
    {"tiny-qwen3", "bias of q", [](M& m) { drop_bias(m, "attn.q.bias"); }},
    {"tiny-qwen3", "bias of k", [](M& m) { drop_bias(m, "attn.k.bias"); }},
    {"tiny-qwen3", "bias of v", [](M& m) { drop_bias(m, "attn.v.bias"); }},
    {"tiny-qwen3", "bias of o", [](M& m) { drop_bias(m, "attn.o.bias"); }},
    {"tiny-qwen3", "rope_theta", [](M& m) { set_rope_base(m, 10000); }},
    {"tiny-qwen3", "sliding window", drop_windows},
    {"tiny-qwen3", "exact sliding window", widen_windows_by_one},
    {"tiny-qwen3", "max_window_layers", slide_every_layer},
    {"tiny-qwen3", "epsilon", [](M& m) { set_epsilon<RmsNormOp>(m, 1e-6); }},
    {"tiny-qwen3", "tied head", untie_head},
};
INSTANTIATE_TEST_SUITE_P(Qwen3, Omissions, testing::ValuesIn(kOfQwen3));

constexpr Omission kOfBitnet[] = {
    {"tiny-bitnet", "squared ReLU", use_silu_for_squared_relu},
    {"tiny-bitnet", "norm behind the attention", [](M& m) { drop_sub_norm(m, "attn.out", "attn.mixed"); }},
    {"tiny-bitnet", "norm behind the gate", [](M& m) { drop_sub_norm(m, "mlp.out", "mlp.gated"); }},
    {"tiny-bitnet", "gains of the norms", [](M& m) { fill(m, "norm", 1); }},
    {"tiny-bitnet", "rope_theta", [](M& m) { set_rope_base(m, 10000); }},
    {"tiny-bitnet", "epsilon", [](M& m) { set_epsilon<RmsNormOp>(m, 1e-6); }},
    {"tiny-bitnet", "tied head", untie_head},
};
INSTANTIATE_TEST_SUITE_P(Bitnet, Omissions, testing::ValuesIn(kOfBitnet));

constexpr Omission kOfGpt2[] = {
    {"tiny-gpt2", "scale by layer index", scale_every_layer_alike},
    {"tiny-gpt2-unscaled", "scores as they are", scale_every_layer_alike},
    {"tiny-gpt2", "positions", [](M& m) { fill(m, "pos_embed", 0); }},
    {"tiny-gpt2", "bias of qkv", [](M& m) { drop_bias(m, "attn.qkv.bias"); }},
    {"tiny-gpt2", "bias of o", [](M& m) { drop_bias(m, "attn.o.bias"); }},
    {"tiny-gpt2", "bias of up", [](M& m) { drop_bias(m, "mlp.up.bias"); }},
    {"tiny-gpt2", "bias of down", [](M& m) { drop_bias(m, "mlp.down.bias"); }},
    {"tiny-gpt2", "gains of the norms", [](M& m) { fill(m, "norm", 1); }},
    {"tiny-gpt2", "biases of the norms", [](M& m) { fill(m, "norm.bias", 0); }},
    {"tiny-gpt2", "epsilon", [](M& m) { set_epsilon<LayerNormOp>(m, 1e-5); }},
    {"tiny-gpt2", "gelu", use_silu_for_gelu},
    {"tiny-gpt2", "tied head", untie_head},
};
INSTANTIATE_TEST_SUITE_P(Gpt2, Omissions, testing::ValuesIn(kOfGpt2));

constexpr Omission kOfMamba[] = {
    {"tiny-mamba", "bias of in", [](M& m) { drop_bias(m, "ssm.in.bias"); }},
    {"tiny-mamba", "bias of out", [](M& m) { drop_bias(m, "ssm.out.bias"); }},
    {"tiny-mamba", "bias of the convolution", [](M& m) { drop_bias(m, "ssm.conv.bias"); }},
    {"tiny-mamba", "bias of dt", [](M& m) { drop_bias(m, "ssm.dt.bias"); }},
    {"tiny-mamba", "D", [](M& m) { fill(m, "ssm.D", 0); }},
    {"tiny-mamba", "oldest tap", [](M& m) { clear_columns(m, "ssm.conv", 1); }},
    {"tiny-mamba", "decay of each state", use_one_decay},
    {"tiny-mamba", "decay", [](M& m) { fill(m, "ssm.A_log", 0); }},
    {"tiny-mamba", "epsilon", [](M& m) { set_epsilon<RmsNormOp>(m, 1e-5); }},
    {"tiny-mamba", "head of its own", tie_head},
};
INSTANTIATE_TEST_SUITE_P(Mamba, Omissions, testing::ValuesIn(kOfMamba));

// Every scan steps as far at every token.
void step_evenly(WalkedModel& model) {
  fill(model, "ssm.dt", 0);
  fill(model, "ssm.dt.bias", 0);
}
void use_silu_in_experts(WalkedModel& model) {
  for_each_op<ExpertsOp>(model.spec, [&](ExpertsOp& experts, Op& op) {
    experts.inner = ExpertsOp::Inner::kGated;
    op.weights.insert(op.weights.begin(), op.weights.front());
  });
}
constexpr Omission kOfIteraLite[] = {
    {"tiny-itera-lite", "position table", [](M& m) { fill(m, "pos_embed", 0); }},
    {"tiny-itera-lite", "step", step_evenly},
    {"tiny-itera-lite", "bias of dt", [](M& m) { fill(m, "ssm.dt.bias", 0); }},
    {"tiny-itera-lite", "B", [](M& m) { fill(m, "ssm.B", 0); }},
    {"tiny-itera-lite", "C", [](M& m) { fill(m, "ssm.C", 0); }},
    {"tiny-itera-lite", "D", [](M& m) { fill(m, "ssm.D", 0); }},
    {"tiny-itera-lite", "decay", [](M& m) { fill(m, "ssm.A_log", 0); }},
    {"tiny-itera-lite", "decay of each state", use_one_decay},
    {"tiny-itera-lite", "oldest tap", [](M& m) { clear_columns(m, "ssm.conv", 1); }},
    {"tiny-itera-lite", "bias of the convolution", [](M& m) { drop_bias(m, "ssm.conv.bias"); }},
    {"tiny-itera-lite", "activation", use_silu_for_gelu},
    {"tiny-itera-lite", "activation of the experts", use_silu_in_experts},
    {"tiny-itera-lite", "experts used", use_fewer_experts},
    {"tiny-itera-lite", "router", [](M& m) { fill(m, "moe.router", 0); }},
    {"tiny-itera-lite", "gains of norms", [](M& m) { fill(m, "norm", 1); }},
    {"tiny-itera-lite", "biases of norms", [](M& m) { fill(m, "norm.bias", 0); }},
    {"tiny-itera-lite", "tied head", untie_head},
};
INSTANTIATE_TEST_SUITE_P(IteraLite, Omissions, testing::ValuesIn(kOfIteraLite));

constexpr Omission kOfMixtral[] = {
    {"tiny-mixtral", "experts used", use_fewer_experts},
    {"tiny-mixtral", "router", [](M& m) { fill(m, "moe.router", 0); }},
    {"tiny-mixtral", "sliding window", drop_windows},
    {"tiny-mixtral", "exact sliding window", widen_windows_by_one},
    {"tiny-mixtral", "rope_theta", [](M& m) { set_rope_base(m, 10000); }},
    {"tiny-mixtral", "epsilon", [](M& m) { set_epsilon<RmsNormOp>(m, 1e-5); }},
    {"tiny-mixtral", "head of its own", tie_head},
};
INSTANTIATE_TEST_SUITE_P(Mixtral, Omissions, testing::ValuesIn(kOfMixtral));

}  // namespace
}  // namespace quern
