// Rows of the table against the descriptions of all architectures, and against figures worked out by hand.
#include "model/op_traits.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "format/formats.h"
#include "model/llama_fixture.h"
#include "model/op_walk.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// One of each way in which a family can be stored.
const std::vector<std::string> kTinyModels = {
    "tiny-gpt2",    "tiny-itera-lite",      "tiny-llama-bias",      "tiny-llama-linear", "tiny-mamba", "tiny-mistral",
    "tiny-mixtral", "tiny-mixtral-stacked", "tiny-q8_0/model.gguf", "tiny-qwen3",        "tiny-bitnet"};

ModelSpec tiny(const std::string& name) {
  return describe_model(open_checkpoint(fs::path(QUERN_TESTDATA) / "runtime" / name));
}

// What the tests of all kinds loop over, by name.
std::map<std::string, ModelSpec> descriptions() {
  std::map<std::string, ModelSpec> all;
  for (const std::string& model : kTinyModels) all[model] = tiny(model);
  return all;
}

template <typename Visit>
void for_each_site(const ModelSpec& spec, Visit visit) {
  for (const Block& block : spec.blocks)
    for (const OpSite& site : sites_of(spec, block)) visit(site);
}

// The first op of a layer that makes the value.
OpSite site_of(const ModelSpec& spec, std::size_t block, const std::string& output) {
  for (const OpSite& site : sites_of(spec, spec.blocks.at(block)))
    if (site.op.output == output) return site;
  throw std::runtime_error("nothing makes " + output);
}

TEST(OpKinds, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  std::set<std::size_t> kinds;
  for (const auto& [model, spec] : descriptions())
    for_each_site(spec, [&](const OpSite& site) {
      names.insert(kind_fields(site.op).front().second.as_string());
      kinds.insert(site.op.kind.index());
    });
  EXPECT_EQ(names.size(), kinds.size());
  EXPECT_EQ(kinds.size(), std::variant_size_v<decltype(Op::kind)>) << "a kind that none of them has is not tested";
}

TEST(BoundAxes, HaveTheSameExtentInEveryArchitecture) {
  for (const auto& description : descriptions())
    for_each_site(description.second, [&](const OpSite& site) {
      const std::string& model = description.first;
      const std::vector<BoundAxes> all = bound_axes(site);
      EXPECT_FALSE(all.empty()) << model << " " << site.op.output;
      for (const BoundAxes& axes : all) {
        ASSERT_GE(axes.size(), 2u) << model << " " << site.op.output;
        for (const AxisRun& run : axes)
          EXPECT_EQ(run.units(site), axes.front().units(site)) << model << " " << site.op.output;
      }
    });
}

TEST(BoundAxes, LeaveOutNoAxisThatAValueHas) {
  std::set<std::string> free;
  for (const auto& [model, spec] : descriptions())
    for_each_site(spec, [&](const OpSite& site) {
      std::set<std::pair<std::size_t, std::size_t>> bound;
      for (const BoundAxes& axes : bound_axes(site))
        for (const AxisRun& run : axes)
          if (run.of == AxisRun::Of::kWeight) bound.insert({run.index, run.axis});
      for (std::size_t i = 0; i < site.op.weights.size(); ++i)
        for (std::size_t axis = 0; axis < site.weight(i).axes.size(); ++axis)
          if (!bound.contains({i, axis})) free.insert(site.weight(i).axes[axis].name);
    });
  EXPECT_EQ(free, (std::set<std::string>{"context", "head_dim", "kernel", "vocab"}));
}

// Each axis of a weight one longer: what binds it must notice, so that agreement proves something.
TEST(BoundAxes, NoticeAnExtentThatDoesNotFit) {
  ModelSpec spec = tiny("tiny-mixtral");
  const std::size_t down = site_of(spec, 1, "mlp.delta").op.weights.back();
  for (Axis& axis : spec.weights[down].axes) {
    ++axis.extent;
    std::size_t differing = 0;
    const OpSite site = site_of(spec, 1, "mlp.delta");
    for (const BoundAxes& axes : bound_axes(site)) {
      std::set<std::uint64_t> extents;
      for (const AxisRun& run : axes)
        extents.insert(run.of == AxisRun::Of::kOutput ? spec.extent("hidden") : run.extent(site));
      differing += extents.size() > 1;
    }
    EXPECT_EQ(differing, 1u) << axis.name;
    --axis.extent;
  }
}

TEST(BoundAxes, OfAttentionCountQueriesByTheirKeys) {
  const ModelSpec spec = tiny("tiny-qwen3");
  const OpSite site = site_of(spec, 1, "attn.out");
  const std::vector<BoundAxes> axes = bound_axes(site);
  ASSERT_EQ(axes.size(), 1u);
  ASSERT_EQ(axes[0].size(), 4u);
  EXPECT_EQ(axes[0][0].units(site), spec.extent("kv_heads"));
  EXPECT_GT(axes[0][0].extent(site), axes[0][1].extent(site));
}

TEST(BoundAxes, OfFusedExpertsHoldBothHalves) {
  const ModelSpec spec = tiny("tiny-mixtral-stacked");
  const OpSite site = site_of(spec, 1, "mlp.delta");
  std::vector<std::uint64_t> begins;
  for (const BoundAxes& axes : bound_axes(site))
    for (const AxisRun& run : axes)
      if (run.count) begins.push_back(run.first);
  ASSERT_EQ(site.op.weights.size(), 2u);
  EXPECT_EQ(begins, (std::vector<std::uint64_t>{0, 40}));
}

TEST(AxisRun, BeyondItsAxisOrInBrokenUnitsIsRefused) {
  const ModelSpec spec = tiny("tiny-mistral");
  const OpSite site = site_of(spec, 1, "attn.in");  // 64 columns
  EXPECT_EQ((AxisRun{.unit = 16, .first = 32}.units(site)), 2u);
  EXPECT_THROW((AxisRun{.unit = 24}.units(site)), Error);
  EXPECT_THROW((AxisRun{.first = 65}.units(site)), Error);
  EXPECT_THROW((AxisRun{.first = 60, .count = 5}.units(site)), Error);
}

TEST(StateSize, OfAttentionIsBoundedByItsWindowAndALittleMore) {
  const AttentionOp all{4, 2, 16, 1, 0}, sliding{4, 2, 16, 1, 24};
  EXPECT_EQ(kept_positions(all, 5000), 5000u);
  EXPECT_EQ(kept_positions(sliding, 80), 80u);
  EXPECT_EQ(kept_positions(sliding, 5000), 24u + 64);
  // 2 layers, 2 heads of 16, a window of 24.
  EXPECT_EQ(state_size(tiny("tiny-mistral"), 5000).keys_and_values, 2u * 2 * 2 * 16 * (24 + 64));
  // Layer 0 sees all, layers 1 and 2 a window of 12; 2 heads of 16 together.
  EXPECT_EQ(state_size(tiny("tiny-qwen3"), 256).keys_and_values, 2u * 2 * 16 * (256 + 2 * (12 + 64)));
  EXPECT_EQ(state_size(tiny("tiny-qwen3"), 256).recurrent, 0u);
}

TEST(StateSize, OfAScanDoesNotGrow) {
  const StateSize size = state_size(tiny("tiny-mamba"), 100'000);
  EXPECT_EQ(size.recurrent, 3u * ((3 - 1) * 96 + 8 * 96));
  EXPECT_EQ(size.total(), size.recurrent);
  // 3 layers of 40 channels; their scans have 5 states in all, whatever the channels.
  EXPECT_EQ(state_size(tiny("tiny-itera-lite"), 100).total(), 3u * ((3 - 1) * 40 + 5));
}

TEST(MultiplyAdds, AreThoseOfProducts) {
  const ModelSpec mistral = tiny("tiny-mistral");
  EXPECT_EQ(multiply_adds(site_of(mistral, 1, "q"), 10), 10u * 64 * 64);
  EXPECT_EQ(multiply_adds(site_of(mistral, 1, "attn.in"), 10), 0u);
  // 4 heads of 16; scores and sums; 1 + 2 + ... + 24, then 24 for each of 6 more.
  EXPECT_EQ(multiply_adds(site_of(mistral, 1, "attn.out"), 30), 2u * 64 * (300 + 6 * 24));
  EXPECT_EQ(multiply_adds(site_of(mistral, 1, "attn.out"), 3), 2u * 64 * 6);
  // 3 of 5 experts, three matrices of 40 x 32.
  EXPECT_EQ(multiply_adds(site_of(tiny("tiny-mixtral"), 1, "mlp.delta"), 7), 7u * 3 * 3 * 40 * 32);
  EXPECT_EQ(multiply_adds(site_of(tiny("tiny-mixtral-stacked"), 1, "mlp.delta"), 7), 7u * 3 * 3 * 40 * 32);
  EXPECT_EQ(multiply_adds(site_of(tiny("tiny-mamba"), 1, "x.conv"), 5), 5u * 96 * 3);
  EXPECT_EQ(multiply_adds(site_of(tiny("tiny-mamba"), 1, "y"), 5), 5u * 3 * 96 * 8);
  EXPECT_EQ(multiply_adds(site_of(tiny("tiny-itera-lite"), 1, "ssm.state"), 7), 7u * 2 * 5);
  EXPECT_EQ(multiply_adds(site_of(tiny("tiny-itera-lite"), 2, "mlp.delta"), 7), 7u * 2 * 2 * 20 * 24);
}

TEST(Ends, AreTheEmbeddingAndTheHead) {
  for (const std::string& model : kTinyModels) {
    const ModelSpec spec = tiny(model);
    EXPECT_EQ(spec.embedding().role, "embed") << model;
    EXPECT_EQ(spec.head().role, spec.tied_head ? "embed" : "head") << model;
    EXPECT_EQ(spec.head_op().output, "logits") << model;
  }
  EXPECT_THROW(ModelSpec{}.embedding_op(), Error);
  EXPECT_THROW(ModelSpec{}.head_op(), Error);
}

TEST(Ends, OfAnotherKindAreRefused) {
  const ModelSpec right = tiny("tiny-gpt2");
  EXPECT_NO_THROW(check_ends(right));
  ModelSpec spec = right;
  spec.blocks.front().ops.front().kind = LinearOp{};
  EXPECT_THROW(check_ends(spec), Error);
  spec = right;
  spec.blocks[1].ops.push_back(spec.embedding_op());
  EXPECT_THROW(check_ends(spec), Error);
  spec = right;
  spec.blocks.back().ops.back().kind = AddOp{};
  EXPECT_THROW(check_ends(spec), Error);
  spec = right;
  spec.blocks.back().ops.back().weights.push_back(1);
  EXPECT_THROW(check_ends(spec), Error);
  EXPECT_THROW(check_ends(ModelSpec{}), Error);
}

TEST(Sites, OfAValueThatNobodyMadeAreRefused) {
  ModelSpec spec = tiny("tiny-gpt2");
  spec.blocks[1].ops.front().inputs = {"gone"};
  EXPECT_THROW(sites_of(spec, spec.blocks[1]), Error);
}

}  // namespace
}  // namespace quern
