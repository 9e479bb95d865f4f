// What is refused unless it was asked for, before any work.
#include "compress/permissions.h"

#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "package/requantization.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kFloats = tiny("tiny-llama-bias"), kQuantized = tiny("tiny-q8_0") / "model.gguf";

CompressOptions permission_options(const fs::path& input, const char* scheme, const char* format = "") {
  CompressOptions options;
  options.input = input;
  options.scheme = scheme;
  options.format = format;
  options.machine.threads = 2;
  return options;
}

// The message of the refusal; empty: there is none.
std::string refusal(const CompressOptions& options, std::optional<ErrorCode> code) {
  Observer observer;
  const Opened opened(options, observer);
  const auto check = [&] { check_permissions(opened, opened.plan({}, opened.optimizer)); };
  if (code) return message_of(*code, check);
  check();
  return {};
}

TEST(Permissions, ASecondQuantizationIsRefusedUnlessItIsAllowed) {
  CompressOptions options = permission_options(kQuantized, "int8", "safetensors");
  expect_parts(refusal(options, ErrorCode::kUsage), {"model.gguf are quantized already: q8_0 (", "find the original",
                                                     "`requantize=kAllow`", "docs/tasks/chain.md"});
  options.requantize = CompressOptions::Requantize::kAllow;
  refusal(options, std::nullopt);
  refusal(permission_options(kFloats, "int8"), std::nullopt);
}

TEST(Permissions, DecodingToFloatsIsNoSecondQuantization) {
  CompressOptions options = permission_options(kQuantized, "f32", "safetensors");
  expect_parts(refusal(options, ErrorCode::kInfeasible),
               {"larger than its source", std::to_string(fs::file_size(kQuantized)), "f32 (safetensors)",
                "quantized already: q8_0", "`larger=kAllow`"});
  options.larger = CompressOptions::Larger::kAllow;
  refusal(options, std::nullopt);
}

TEST(Permissions, WhatStaysInItsNumberFormatIsNotQuantizedAgain) {
  const CompressOptions options = permission_options(kQuantized, "q8_0");
  refusal(options, std::nullopt);
  Observer observer;
  const Opened opened(options, observer);
  const Plan plan = opened.plan({}, opened.optimizer);
  EXPECT_EQ(steps_quantized_again(plan, opened.source, opened.names, [](const OutputTensor&) { return false; }), 0u);
  EXPECT_TRUE(opened.loses_nothing(plan));
}

TEST(Permissions, AreForetoldInTheSameWords) {
  for (const char* scheme : {"int8", "f32"}) {
    const CompressOptions options = permission_options(kQuantized, scheme, "safetensors");
    Observer observer;
    const Opened opened(options, observer);
    const std::vector<std::string> notes = foretold_refusals(opened, opened.plan({}, opened.optimizer));
    ASSERT_EQ(notes.size(), 1u) << scheme;
    const ErrorCode code = scheme == std::string("f32") ? ErrorCode::kInfeasible : ErrorCode::kUsage;
    EXPECT_EQ(notes[0], "compressing refuses this: " + refusal(options, code));
  }
}

TEST(Permissions, FloatsOfTheSameWidthAreNoLargerResult) {
  for (const char* scheme : {"f16", "bf16"}) refusal(permission_options(kFloats, scheme, "safetensors"), std::nullopt);
}

// Its rows are 256 long.
TEST(Permissions, ThreeValuesForWeightsOfManyAreRefusedUnlessThatIsAllowed) {
  CompressOptions options = permission_options(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m", "tq1_0");
  expect_parts(refusal(options, ErrorCode::kUsage),
               {"tq1_0 has three values", "42 matrices", "19% of their energy", "scheme q2_k", "`damage=kAllow`"});
  options.damage = CompressOptions::Damage::kAllow;
  refusal(options, std::nullopt);
}

TEST(Permissions, SixteenBitsAreNotQuantized) {
  for (const char* encoding : {"f32", "f16", "bf16", "f64", "i64"})
    EXPECT_EQ(quantization_of({"a", {4}, encoding, {}}), "") << encoding;
  for (const char* encoding : {"q8_0", "q4_k", "nf4", "int8_channel", "mxfp4", "tq1_0"})
    EXPECT_EQ(quantization_of({"a", {4}, encoding, {}}), encoding);
  const Checkpoint packed = open_checkpoint(fs::path(QUERN_TESTDATA) / "packed" / "awq");
  std::size_t found = 0;
  for (const TensorEntry& entry : packed.tensors()) found += quantization_of(entry).starts_with("AWQ, 4 bits");
  EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace quern
