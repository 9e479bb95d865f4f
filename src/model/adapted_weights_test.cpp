// Adapters merged row by row against PEFT's own merge (tools/make_adapter_fixtures.py), and those that do not fit.
#include "model/adapted_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "codec/codec.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path testdata() { return QUERN_TESTDATA; }

struct Merged {
  Merged(const fs::path& model, const fs::path& adapter)
      : files(open_checkpoint(model)),
        spec(describe_model(files)),
        base(files),
        weights(std::make_unique<CheckpointWeights>(files), spec, files, adapter) {}
  Checkpoint files;
  ModelSpec spec;
  CheckpointWeights base;
  AdaptedWeights weights;
};

Matrix stored_rows(const Weights& weights, const Weight& weight) {
  const RowLayout layout = row_layout(weights.stored(weight).shape);
  Matrix rows(layout.rows, layout.cols);
  weights.read_stored_rows(weight, 0, rows.view());
  return rows;
}

class Adapted : public testing::TestWithParam<const char*> {
 protected:
  static fs::path folder() { return testdata() / "adapter" / GetParam(); }
  static fs::path base() {
    std::string name = read_text(folder() / "base.txt");
    name.pop_back();
    return testdata() / "runtime" / name;
  }
};

TEST_P(Adapted, EqualsTheMergeOfPeft) {
  const Merged opened(base(), folder());
  const Checkpoint merged_files = open_checkpoint(folder() / "merged.safetensors");
  const CheckpointWeights merged(merged_files);
  std::size_t changed = 0;
  for (const Weight& weight : opened.spec.weights) {
    const Matrix found = stored_rows(opened.weights, weight);
    if (!merged_files.find(weight.tensor)) {
      EXPECT_TRUE(std::ranges::equal(found.flat(), stored_rows(opened.base, weight).flat())) << weight.tensor;
      continue;
    }
    ++changed;
    const Matrix expected = merged.read(weight.tensor);
    for (std::size_t i = 0; i < expected.flat().size(); ++i)
      ASSERT_NEAR(found.flat()[i], expected.flat()[i], 1e-6 * std::max(1.0f, std::abs(expected.flat()[i])))
          << weight.tensor << " " << i;
  }
  EXPECT_EQ(changed, merged_files.tensors().size());
}

TEST_P(Adapted, GivesAnyRowsAsTheWhole) {
  const Merged opened(base(), folder());
  for (const Weight& weight : opened.spec.weights) {
    const Matrix whole = opened.weights.read(weight);
    Matrix some(std::min<std::size_t>(3, whole.rows()), whole.cols());
    const std::size_t first = whole.rows() - some.rows();
    opened.weights.read_rows(weight, first, some.view());
    EXPECT_TRUE(std::ranges::equal(some.flat(), whole.flat().subspan(first * whole.cols()))) << weight.tensor;
  }
}

INSTANTIATE_TEST_SUITE_P(OfPeft, Adapted,
                         testing::Values("mistral-patterns", "mistral-dora", "gpt2-conv1d", "gpt2-dora", "llama-bf16"),
                         [](const auto& of) {
                           std::string name = of.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(AdaptedWeights, KeepThePrecisionOfTheBaseAndSayWhatTheyAre) {
  const fs::path adapters = testdata() / "adapter";
  const Merged half(testdata() / "runtime" / "tiny-llama-bias", adapters / "llama-bf16");
  for (const Weight& weight : half.spec.weights) EXPECT_EQ(half.weights.stored(weight).encoding, "bf16");
  const Merged patterns(testdata() / "runtime" / "tiny-mistral", adapters / "mistral-patterns"),
      dora(testdata() / "runtime" / "tiny-mistral", adapters / "mistral-dora");
  EXPECT_NE(patterns.weights.identity(), dora.weights.identity());
  EXPECT_EQ(patterns.weights.identity(),
            Merged(testdata() / "runtime" / "tiny-mistral", adapters / "mistral-patterns").weights.identity());
}

TEST(AdaptedWeights, SayWhatTheConfigurationPromisesAndTheyLack) {
  const ScratchFolder scratch;
  const fs::path adapter = scratch.copy(testdata() / "adapter" / "llama-bf16"),
                 base = testdata() / "runtime" / "tiny-llama-bias";
  const auto notes_with = [&](const char* targets, const char* saved, const char* layers = "null") {
    Json config = parse_json(read_text(testdata() / "adapter" / "llama-bf16" / "adapter_config.json"));
    config.set("target_modules", parse_json(targets));
    config.set("modules_to_save", parse_json(saved));
    config.set("layers_to_transform", parse_json(layers));
    OutputFile(adapter / "adapter_config.json").write(dump_json(config));
    std::string notes;
    const Merged merged(base, adapter);
    for (const std::string& note : merged.weights.notes()) notes += note + "\n";
    return notes;
  };
  EXPECT_EQ(notes_with(R"(["gate_proj", "k_proj"])", "null"), "");
  EXPECT_EQ(notes_with(R"(".*proj")", "null"), "");
  expect_parts(notes_with(R"(["gate_proj", "k_proj", "up_proj"])", "null"), {"nothing for up_proj", "target_modules"});
  expect_parts(notes_with(R"(["gate_proj"])", R"(["lm_head"])"), {"does not hold lm_head", "modules_to_save"});
}

std::string refusal(const fs::path& model, const fs::path& adapter) {
  return message_of(ErrorCode::kInput, [&] { Merged(model, adapter); });
}

TEST(AdaptedWeights, OfAnotherBaseAreRefusedWithBothSides) {
  const fs::path adapters = testdata() / "adapter";
  expect_parts(refusal(testdata() / "runtime" / "tiny-gpt2", adapters / "llama-bf16"),
               {"made for another model", "acme/tiny-llama-bias", "model.layers.0.mlp.gate_proj.weight", "[96, 64]",
                "of rank 4", "tiny-gpt2", "no weight of that name", "transformer."});
  // Same names, other shapes.
  expect_parts(refusal(testdata() / "model" / "tiny-qwen3", adapters / "llama-bf16"),
               {"made for another model", "[96, 64] of rank 4", "tiny-qwen3"});
  expect_parts(refusal(testdata() / "model" / "tiny-gpt2.gguf", adapters / "gpt2-dora"), {"transformers", "gguf"});
}

// PEFT gives the head a copy of its own then; merging into the one that both use would change the head as well.
TEST(AdaptedWeights, WithAnEmbeddingOfTheirOwnAreRefusedWhereTheHeadIsTied) {
  const ScratchFolder scratch;
  const fs::path base = testdata() / "runtime" / "tiny-gpt2";
  const Checkpoint files = open_checkpoint(base);
  const ModelSpec spec = describe_model(files);
  const Shape shape = files.at(spec.embedding().tensor).shape;
  CheckpointHead head{.stem = "adapter_model"};
  head.tensors.push_back(
      {"base_model.model." + spec.embedding().tensor, shape, "f32", {element_count(shape) * sizeof(float)}});
  const auto writer = find_format("safetensors").create(scratch.path(), head);
  writer->write(0, 0, 0, std::vector<std::byte>(element_count(shape) * sizeof(float)));
  writer->finish();
  fs::copy(testdata() / "adapter" / "gpt2-conv1d" / "adapter_config.json", scratch.path());
  expect_parts(refusal(base, scratch.path()), {"an embedding of its own", "tied", "merge_and_unload"});
}

// The fixture with keys of its configuration changed.
std::string refusal_with(const char* key, Json value) {
  const ScratchFolder scratch;
  const fs::path from = testdata() / "adapter" / "mistral-patterns";
  fs::copy(from / "adapter_model.safetensors", scratch.path());
  Json config = parse_json(read_text(from / "adapter_config.json"));
  config.set(key, std::move(value));
  scratch.write("adapter_config.json", dump_json(config));
  return refusal(testdata() / "runtime" / "tiny-mistral", scratch.path());
}

TEST(AdaptedWeights, ThatCannotBeMergedAreRefusedByName) {
  expect_parts(refusal_with("peft_type", "IA3"), {"peft_type is IA3", "merge_and_unload"});
  expect_parts(refusal_with("peft_type", Json()), {"names no peft_type"});
  expect_parts(refusal_with("init_lora_weights", "pissa_niter_4"), {"pissa_niter_4", "base's own weights"});
  expect_parts(refusal_with("layer_replication", Json::array({1})), {"layer_replication"});
  expect_parts(refusal_with("lora_bias", true), {"lora_bias"});
  expect_parts(refusal_with("use_dora", true), {"use_dora", "lora_magnitude_vector"});
  expect_parts(refusal_with("r", 8), {"has a rank of 4", "says 8"});
  expect_parts(refusal_with("alpha_pattern", Json::object({{"(", 1}})), {"pattern"});
  const ScratchFolder scratch;
  expect_parts(refusal(testdata() / "runtime" / "tiny-mistral", scratch.path()), {"no adapter of PEFT"});
  fs::copy(testdata() / "adapter" / "gpt2-dora" / "adapter_model.safetensors", scratch.path());
  expect_parts(refusal(testdata() / "runtime" / "tiny-mistral", scratch.path()), {"adapter_config.json"});
}

}  // namespace
}  // namespace quern
