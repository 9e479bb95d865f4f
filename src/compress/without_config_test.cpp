// A family without a configuration and without a place in GGUF files: what its packages hold, and what is refused.
#include <algorithm>

#include "checkpoint/edited_copy_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "package/verify.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct WithoutConfig : ::testing::Test {
  ScratchFolder scratch;
  fs::path source = tiny("tiny-itera-lite");

  Report compressed(const std::string& scheme) {
    CompressOptions options;
    options.input = source;
    options.output = scratch.path() / scheme;
    options.scheme = scheme;
    options.machine.threads = 2;
    Observer observer;
    return compress(options, observer);
  }
  // As the scheme stored the tensor.
  std::string stored(const std::string& scheme, const std::string& tensor) {
    return open_checkpoint(scratch.path() / scheme).at(tensor).encoding;
  }
};

struct Limit {
  const char* scheme;
  double kld;  // nats; high, since these are random weights and a mixture takes other experts
};

TEST_F(WithoutConfig, PackagesDescribeTheSameModelAndComputeNearlyTheSame) {
  constexpr Limit kLimits[] = {
      {"lossless", 1e-12}, {"mixed", 0.01}, {"simple", 0.03}, {"mixed-int4", 1.2}, {"nf4", 1.2}};
  const ModelSpec original = describe_model(open_checkpoint(source));
  for (const Limit& limit : kLimits) {
    SCOPED_TRACE(limit.scheme);
    const Report report = compressed(limit.scheme);
    const fs::path out = scratch.path() / limit.scheme;
    Observer observer;
    EXPECT_EQ(
        verify_package({.package = out, .original = source, .stride = 1, .machine = {.threads = 2}}, observer).problems,
        std::vector<std::string>{});
    EXPECT_TRUE(report.can_run);
    const Checkpoint package = open_checkpoint(out);
    const ModelSpec spec = describe_model(package);
    EXPECT_EQ(spec.extents, original.extents);
    EXPECT_EQ(spec.weights.size(), original.weights.size());
    EXPECT_FALSE(package.find("lm_head.weight"));
    EXPECT_FALSE(package.find("layers.1.moe.layer.router.expert_counts"));
    EXPECT_LT(divergence(source, out), limit.kld);
  }
}

TEST_F(WithoutConfig, MixedKeepsTheScanInSixteenBits) {
  compressed("mixed");
  EXPECT_EQ(stored("mixed", "embedding.weight"), "int8_channel");
  for (const char* name : {"ssm.B", "ssm.C", "ssm.delta_proj.weight", "in_proj.weight", "out_proj.weight"})
    EXPECT_EQ(stored("mixed", std::string("layers.0.ssm.") + name), "bf16") << name;
  for (const char* name : {"ssm.A_log", "ssm.D", "ssm.delta_proj.bias", "norm.weight", "conv1d.weight"})
    EXPECT_EQ(stored("mixed", std::string("layers.0.ssm.") + name), "f32") << name;
  compressed("mixed-int4");
  for (const char* name : {"ssm.B", "ssm.C", "ssm.delta_proj.weight"})
    EXPECT_EQ(stored("mixed-int4", std::string("layers.0.ssm.") + name), "bf16") << name;
}

TEST_F(WithoutConfig, GgufIsRefusedInPlainWords) {
  expect_parts(message_of(ErrorCode::kInfeasible, [&] { compressed("q4_k_m"); }),
               {"no runtime of GGUF files knows models of the family itera_lite", "safetensors"});
}

TEST_F(WithoutConfig, AMixtureThatLostItsExpertsStaysLost) {
  RawModel model = raw_model(source);
  std::erase_if(model.tensors, [](const auto& tensor) { return tensor.first.find(".experts.") != std::string::npos; });
  model.tensors["layers.1.moe.layer.router.gate.weight"] = floats_tensor({0, 24}, {});
  model.tensors["layers.1.moe.layer.router.expert_counts"] = floats_tensor({0}, {});
  source = scratch.path() / "lost";
  write_raw(model, source);
  const Report report = compressed("mixed");
  EXPECT_TRUE(std::ranges::any_of(report.notes, [](const std::string& note) {
    return note.find("mixture of layer 1 of no experts is assumed") != std::string::npos;
  }));
  EXPECT_LT(divergence(source, scratch.path() / "mixed"), 0.01);
  EXPECT_EQ(assumed_values(describe_model(open_checkpoint(scratch.path() / "mixed"))).size(), 2u);
}

}  // namespace
}  // namespace quern
