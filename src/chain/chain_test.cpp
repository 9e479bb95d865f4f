// Two stages on the bundled model: what each leaves, beside one choice of the same bytes.
#include "chain/chain.h"

#include <gtest/gtest.h>

#include "chain/summed_weights.h"
#include "compress/tiny_package_fixture.h"
#include "package/package.h"
#include "package/verify.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m",
               kTexts = fs::path(QUERN_SOURCE_DIR) / "texts";
// Of formats that lose enough to be seen.
const std::vector<ChainStage> kTwo = {{"first", "4 bits", 8, "mixed-int4"},
                                      {"second", "4 bits again", 2, "mixed-int4"}};

class Chains : public testing::Test {
 protected:
  const ScratchFolder scratch;
  Observer observer;

  CompressOptions options(const char* output) const {
    CompressOptions options;
    options.input = kModel;
    options.output = scratch.path() / output;
    options.report_text = kTexts / "eval.txt";
    options.report_windows = 2;
    options.machine.threads = 2;
    return options;
  }
};

TEST(ChainStages, AreKnownByName) {
  EXPECT_EQ(recipe_named("seed-4stage").size(), 4u);
  const std::vector<ChainStage> two = stages_named("hyper,BitNet");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_STREQ(two[1].name, "bitnet");
  expect_parts(message_of(ErrorCode::kUsage, [] { stages_named("bitnet,seedlmm"); }), {"seedlmm", "seedlm"});
  expect_parts(message_of(ErrorCode::kUsage, [] { stages_named("bitnet,,hyper"); }), {"no stage \"\""});
  expect_parts(message_of(ErrorCode::kUsage, [] { stages_named(""); }), {"one stage"});
  expect_parts(message_of(ErrorCode::kUsage, [] { recipe_named("seed-5stage"); }), {"seed-4stage"});
}

TEST_F(Chains, MeasureEveryStage) {
  const ChainReport report = run_chain(options("out"), kTwo, observer);
  ASSERT_EQ(report.rows.size(), 2u);
  const ChainRow &first = report.rows[0], &second = report.rows[1];
  EXPECT_EQ(first.literal.bytes, first.residual.bytes);
  EXPECT_EQ(first.literal.quality.mean_kld.value, first.residual.quality.mean_kld.value);
  EXPECT_NEAR(static_cast<double>(second.literal.bytes), static_cast<double>(first.literal.bytes), 2000);
  EXPECT_GE(second.literal.quality.mean_kld.value, 0.99 * first.literal.quality.mean_kld.value);
  // What is left of a model in 4 bits, in 4 bits: nearly all of it is back, for nearly twice the bytes.
  EXPECT_LT(second.residual.quality.mean_kld.value, 0.1 * first.residual.quality.mean_kld.value);
  EXPECT_GT(second.residual.bytes, first.residual.bytes * 3 / 2);
  EXPECT_LT(second.residual.bytes, first.residual.bytes * 2);
  for (const char* name : {"literal-1-first", "literal-2-second", "residual-2-second"})
    EXPECT_TRUE(fs::exists(scratch.path() / "out" / name / "manifest.json")) << name;
  expect_parts(read_text(scratch.path() / "out/residual-2-second/README.md"),
               {"# llama-7m: what the 1 stage before leave of it, no model by itself"});
  expect_parts(
      message_of(ErrorCode::kVerification, [&] { verify_package({.package = scratch.path() / "out"}, observer); }),
      {"packages of a chain", "verify these folders"});
  CompressOptions replacing = options("out");
  replacing.existing = OutputFolder::Existing::kReplace;
  check_output(replacing.output, replacing.input, replacing.existing);
  scratch.write("out/letter.txt", "dear");
  expect_parts(message_of(ErrorCode::kUsage, [&] { run_chain(replacing, kTwo, observer); }),
               {"was not written by quern"});
  expect_parts(conclusion(report), {"16x", "nats"});
  expect_parts(read_text(scratch.path() / "out" / "README.md"), {"4 bits again", "8x, together 8x", "literal"});
  expect_parts(read_text(scratch.path() / "out" / "chain.html"), {"4 bits again", "chain.json"});
}

TEST_F(Chains, StandBesideOneChoiceOfTheSameBytes) {
  CompressOptions with_text = options("out");
  with_text.calibration_text = kTexts / "calib.txt";
  with_text.calibration_windows = 4;
  with_text.gate_windows = 2;
  const ChainReport report = run_chain(with_text, {kTwo[0]}, observer);
  const ChainRow& row = report.rows[0];
  ASSERT_TRUE(row.once_literal);
  EXPECT_LE(row.once_literal->bytes, row.literal.bytes);
  EXPECT_GT(row.once_literal->quality.mean_kld.value, 0);
}

TEST_F(Chains, AskBeforeTheyQuantizeASourceAgain) {
  const fs::path package = scratch.path() / "package";
  compress_tiny(kModel, package);
  CompressOptions again = options("out");
  again.input = package;
  expect_parts(message_of(ErrorCode::kUsage, [&] { run_chain(again, kTwo, observer); }), {"quantized already"});
}

TEST_F(Chains, WantATextToMeasureOn) {
  CompressOptions without = options("out");
  without.report_text.clear();
  expect_parts(message_of(ErrorCode::kUsage, [&] { run_chain(without, kTwo, observer); }), {"report_text"});
}

TEST_F(Chains, APackageAndWhatItLeftAddUpToTheModel) {
  run_chain(options("out"), {kTwo[0]}, observer);
  const OpenModel model(kModel), package(scratch.path() / "out" / "literal-1-first");
  const SummedWeights sum(model, {&package}, SummedWeights::Form::kSum),
      left(model, {&package}, SummedWeights::Form::kRemainder);
  for (const Weight& weight : model.spec.weights) {
    const Matrix whole = model.weights.read(weight), a = sum.read(weight), b = left.read(weight);
    for (std::size_t k = 0; k < whole.flat().size(); ++k)
      ASSERT_NEAR(a.flat()[k] + b.flat()[k], whole.flat()[k], 1e-5) << weight.tensor;
  }
}

}  // namespace
}  // namespace quern
