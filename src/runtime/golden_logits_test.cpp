// Whole models against transformers in float32.
#include <gtest/gtest.h>

#include "runtime/golden_model.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

constexpr double kTolerance = 1e-4;

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name;
}

void expect_golden(WalkedModel& model, const std::filesystem::path& golden) {
  for (const GoldenCase& c : read_golden(golden)) {
    const double error = golden_error(c, model.logits(c.windows));
    EXPECT_LT(error, kTolerance) << golden << " " << c.windows.length;
    testing::Test::RecordProperty("error_" + std::to_string(c.windows.length), std::to_string(error * 1e9) + "e-9");
  }
}

class TinyModels : public testing::TestWithParam<const char*> {};
TEST_P(TinyModels, AgreeWithTransformers) {
  WalkedModel model(fixture(GetParam()));
  expect_golden(model, fixture(GetParam()) / "golden.json");
}
INSTANTIATE_TEST_SUITE_P(, TinyModels,
                         testing::Values("tiny-llama-bias", "tiny-llama-linear", "tiny-mistral", "tiny-qwen3",
                                         "tiny-gpt2", "tiny-mamba", "tiny-mixtral", "tiny-mixtral-stacked"));

TEST(TinyGguf, DecodesItsBlocksAndPairsNeighbours) {
  WalkedModel model(fixture("tiny-q8_0") / "model.gguf");
  expect_golden(model, fixture("tiny-q8_0") / "golden.json");
}

class ReferenceModels : public testing::TestWithParam<const char*> {};
TEST_P(ReferenceModels, AgreeWithTransformers) {
  const std::string folder = std::string("reference/") + GetParam();
  QUERN_NEEDS_SHARED(folder);
  WalkedModel model(shared_folder() / folder);
  expect_golden(model, fixture(std::string(GetParam()) + ".json"));
}
INSTANTIATE_TEST_SUITE_P(, ReferenceModels,
                         testing::Values("llama-3m", "llama-7m", "llama-30m", "mamba-8m", "mixtral-moe15m"));

// Each optional part of a description moves the logits when it is left out; otherwise agreeing would prove nothing
// about it.
struct Omission {
  const char* model;
  const char* what;
  void (*leave_out)(ModelSpec&);
};

template <typename Kind>
void for_each_op(ModelSpec& spec, void (*change)(Kind&, Op&)) {
  for (Block& block : spec.blocks)
    for (Op& op : block.ops)
      if (Kind* kind = std::get_if<Kind>(&op.kind)) change(*kind, op);
}

void unscale_rope(RopeOp& rope, double base) {
  for (std::size_t i = 0; i < rope.inverse_frequencies.size(); ++i)
    rope.inverse_frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / rope.head_dim);
}

void drop_bias(ModelSpec& spec) {
  for_each_op<LinearOp>(spec, [](LinearOp&, Op& op) { op.weights.resize(1); });
}
void drop_llama3_scaling(ModelSpec& spec) {
  for_each_op<RopeOp>(spec, [](RopeOp& rope, Op&) { unscale_rope(rope, 1000); });
}
void drop_linear_scaling(ModelSpec& spec) {
  for_each_op<RopeOp>(spec, [](RopeOp& rope, Op&) { unscale_rope(rope, 10000); });
}
void drop_window(ModelSpec& spec) {
  for_each_op<AttentionOp>(spec, [](AttentionOp& attention, Op&) { attention.window = 0; });
}
void widen_window_by_one(ModelSpec& spec) {
  for_each_op<AttentionOp>(spec, [](AttentionOp& attention, Op&) { ++attention.window; });
}
void swap_pairing(ModelSpec& spec) {
  for_each_op<RopeOp>(spec, [](RopeOp& rope, Op&) {
    const bool halves = rope.pairing == RopeOp::Pairing::kHalves;
    rope.pairing = halves ? RopeOp::Pairing::kNeighbours : RopeOp::Pairing::kHalves;
  });
}
void raise_epsilon(ModelSpec& spec) {
  for_each_op<RmsNormOp>(spec, [](RmsNormOp& norm, Op&) { norm.epsilon = 0.1; });
}

class Omissions : public testing::TestWithParam<Omission> {};
TEST_P(Omissions, MoveTheLogits) {
  const auto& [name, what, leave_out] = GetParam();
  WalkedModel model(fixture(name));
  leave_out(model.spec);
  const std::filesystem::path file = fixture(name);
  const auto golden = (std::filesystem::is_directory(file) ? file : file.parent_path()) / "golden.json";
  for (const GoldenCase& c : read_golden(golden)) EXPECT_GT(golden_error(c, model.logits(c.windows)), 1e-2) << what;
}
INSTANTIATE_TEST_SUITE_P(, Omissions,
                         testing::Values(Omission{"tiny-llama-bias", "bias", drop_bias},
                                         Omission{"tiny-llama-bias", "llama3 scaling", drop_llama3_scaling},
                                         Omission{"tiny-llama-linear", "linear scaling", drop_linear_scaling},
                                         Omission{"tiny-mistral", "sliding window", drop_window},
                                         Omission{"tiny-mistral", "exact sliding window", widen_window_by_one},
                                         Omission{"tiny-q8_0/model.gguf", "pairing", swap_pairing},
                                         Omission{"tiny-mistral", "epsilon", raise_epsilon}));

}  // namespace
}  // namespace quern
