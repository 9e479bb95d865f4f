// Whole models against transformers in float32, and against numpy where transformers has no class.
#include <gtest/gtest.h>

#include <ostream>

#include "format/formats.h"
#include "runtime/golden_model_fixture.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name;
}

class TinyModels : public testing::TestWithParam<const char*> {};
TEST_P(TinyModels, AgreeWithTransformers) {
  WalkedModel model(fixture(GetParam()));
  expect_golden(model, fixture(GetParam()) / "golden.json");
}
INSTANTIATE_TEST_SUITE_P(, TinyModels,
                         testing::Values("tiny-llama-bias", "tiny-llama-linear", "tiny-mistral", "tiny-qwen3",
                                         "tiny-gpt2", "tiny-gpt2-unscaled", "tiny-mamba", "tiny-mixtral",
                                         "tiny-mixtral-stacked", "tiny-itera-lite", "tiny-bitnet"));

// Files by llama.cpp's converter: stacked experts, -exp(A_log), rotary pairs as neighbours, matrices turned around.
class ConvertedModels : public testing::TestWithParam<const char*> {};
TEST_P(ConvertedModels, GiveTheLogitsOfTheirFolder) {
  const std::filesystem::path folder = std::filesystem::path(QUERN_TESTDATA) / "model" / GetParam();
  WalkedModel model(folder), converted(folder.string() + ".gguf");
  expect_golden(model, folder / "golden.json");
  expect_golden(converted, folder / "golden.json");
}
INSTANTIATE_TEST_SUITE_P(, ConvertedModels, testing::Values("tiny-qwen3", "tiny-gpt2", "tiny-mamba", "tiny-mixtral"));

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

// The project's own files, which hold a pickle.
struct PickledModel {
  const char *file, *golden;
};
void PrintTo(const PickledModel& model, std::ostream* out) { *out << model.file; }

class IteraLiteCheckpoints : public testing::TestWithParam<PickledModel> {};
TEST_P(IteraLiteCheckpoints, AgreeWithNumpy) {
  QUERN_NEEDS_SHARED("real/itera-lite");
  const std::filesystem::path file = shared_folder() / "real/itera-lite" / GetParam().file;
  if (std::ranges::none_of(formats(), [&](const Format* format) { return format->probe && format->probe(file); }))
    GTEST_SKIP() << file << " is in no format that can be opened";
  WalkedModel model(file);
  EXPECT_EQ(model.spec.architecture, "itera_lite");
  expect_golden(model, fixture(GetParam().golden));
}
INSTANTIATE_TEST_SUITE_P(, IteraLiteCheckpoints,
                         testing::Values(PickledModel{"itera_lite_micro_distilled.pt", "itera-lite-micro.json"},
                                         PickledModel{"itera_lite_mixed_precision.pt", "itera-lite-tiny-mixed.json"}));

}  // namespace
}  // namespace quern
