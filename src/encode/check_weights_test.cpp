// Weights that no trained model has are refused before anything is encoded.
#include "encode/check_weights.h"

#include <limits>

#include "checkpoint/edited_copy_fixture.h"
#include "compress/compress.h"
#include "compress/tiny_package_fixture.h"
#include "model/tied_copy.h"
#include "runtime/open_model.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

std::string refusal_of(const RawModel& model) {
  const ScratchFolder scratch;
  write_raw(model, scratch.path());
  const OpenModel open(model.format == "gguf" ? scratch.path() / "model.gguf" : scratch.path());
  ThreadPool pool(2);
  Observer observer;
  return message_of(ErrorCode::kInput, [&] {
    check_tied_copy(open.checkpoint, open.spec);
    check_weights(open.weights, open.spec, pool, observer);
  });
}

const char* const kDecay = "backbone.layers.1.mixer.A_log";

TEST(CheckWeights, ADecayThatIsNotANumberIsRefused) {
  RawModel model = raw_model(tiny("tiny-mamba"));
  set_float(model, kDecay, 5, std::numeric_limits<float>::quiet_NaN());
  expect_parts(refusal_of(model), {kDecay, "1 NaN"});
}

TEST(CheckWeights, ADecayBeyondFloatIsRefused) {
  RawModel model = raw_model(tiny("tiny-mamba"));
  set_float(model, kDecay, 5, 200);
  expect_parts(refusal_of(model), {kDecay, "holds 200"});
}

TEST(CheckWeights, APositiveDecayOfAGgufFileIsRefused) {
  RawModel model = raw_model(fs::path(QUERN_TESTDATA) / "model" / "tiny-mamba.gguf");
  set_float(model, "blk.1.ssm_a", 3, 0.25f);
  expect_parts(refusal_of(model), {"blk.1.ssm_a", "0.25", "grow with every token"});
}

TEST(CheckWeights, TheFixturesPass) {
  ThreadPool pool(2);
  Observer observer;
  for (const char* name : {"tiny-mamba", "tiny-mixtral", "tiny-gpt2", "tiny-qwen3"}) {
    const OpenModel model(tiny(name));
    EXPECT_NO_THROW(check_weights(model.weights, model.spec, pool, observer)) << name;
  }
}

// Without statistics nothing reads the weights before they are encoded, and the encoder finds the same.
TEST(CheckWeights, WhatEncodesRefusesTheSame) {
  for (const char* name : {"tiny-mamba", "tiny-mixtral", "tiny-gpt2"})
    for (const auto& tensor : raw_model(tiny(name)).tensors) {
      if (tensor.second.encoding != kFloat32 || tensor.first.find(".0.") != std::string::npos) continue;
      RawModel model = raw_model(tiny(name));
      set_float(model, tensor.first, 7, std::numeric_limits<float>::quiet_NaN());
      set_float(model, tensor.first, 3, -std::numeric_limits<float>::infinity());
      const ScratchFolder scratch;
      CompressOptions options;
      options.input = scratch.path() / "model";
      options.output = scratch.path() / "out";
      fs::create_directory(options.input);
      write_raw(model, options.input);
      Observer observer;
      const std::string said = message_of(ErrorCode::kInput, [&] { compress(options, observer); });
      expect_parts(said, {"holds 1 NaN and 1 infinite values among", "the checkpoint is damaged"});
      const std::string expected = refusal_of(model);
      const std::string which = expected.substr(0, expected.find(" of "));
      EXPECT_EQ(said.substr(0, which.size()), which) << tensor.first;
      EXPECT_FALSE(fs::exists(options.output));
    }
}

RawModel with_head_copy() {
  RawModel model = raw_model(tiny("tiny-gpt2"));
  model.tensors["lm_head.weight"] = model.tensors.at("transformer.wte.weight");
  return model;
}

TEST(TiedCopy, ThatEqualsTheEmbeddingIsFine) {
  const ScratchFolder scratch;
  write_raw(with_head_copy(), scratch.path());
  const OpenModel model(scratch.path());
  EXPECT_EQ(model.spec.tied_copy, "lm_head.weight");
  EXPECT_NO_THROW(check_tied_copy(model.checkpoint, model.spec));
}

TEST(TiedCopy, ThatDiffersIsAnErrorWithBothNamesAndTheRow) {
  RawModel model = with_head_copy();
  set_float(model, "lm_head.weight", 70 * 32 + 3, 9);  // 32 columns
  expect_parts(refusal_of(model),
               {"lm_head.weight and transformer.wte.weight differ, first in row 70", "tie_word_embeddings"});
  model.tensors["lm_head.weight"] = floats_tensor({2, 32}, std::vector<float>(64));
  expect_parts(refusal_of(model), {"[2, 32]", "[120, 32]"});
}

}  // namespace
}  // namespace quern
