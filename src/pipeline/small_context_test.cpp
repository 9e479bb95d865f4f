// Texts of models whose context is shorter than the usual window.
#include "pipeline/compress_texts.h"
#include "pipeline/package.h"
#include "pipeline/small_tokenizer_test.h"
#include "pipeline/tiny_package_test.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct Texts : testing::Test {
  ScratchFolder scratch;
  CompressOptions options;
  Observer observer;

  Report compressed(const char* fixture, const char* scheme) {
    options.input = scratch.copy(tiny(fixture));
    scratch.write((fs::path(fixture) / "tokenizer.json").string(), small_tokenizer_json());
    options.calibration_text = scratch.write("calibration.txt", small_text(60));
    options.report_text = scratch.write("report.txt", small_text(11));
    options.output = scratch.path() / "out";
    options.scheme = scheme;
    options.machine.threads = 2;
    options.machine.precision = Precision::kF32;
    return compress(options, observer);
  }
};

TEST_F(Texts, OfAModelWith128LearnedPositionsAreCutIntoWindowsOf128) {
  options.bound.max_kld = 10;
  const Report report = compressed("tiny-gpt2", "mixed");
  ASSERT_TRUE(report.calibration && report.gate_text && report.report_text && report.quality);
  for (const TextUse& use : {*report.calibration, *report.gate_text, *report.report_text})
    EXPECT_EQ(use.window_length, 128u) << use.path;
  EXPECT_EQ(report.quality->windows, report.report_text->windows);
  EXPECT_EQ(report.quality->tokens, report.report_text->windows * 63);  // of the second half, but the last
  EXPECT_EQ(parse_json(read_text(options.output / kReportName)).at("report_text").at("window_length").as_uint64(),
            128u);
  expect_parts(read_text(options.output / kCardName), {" windows of 128 tokens, sha256 "});
}

TEST(TextWindow, Is512OrTheContextOfAShorterModel) {
  EXPECT_EQ(text_window(OpenModel(tiny("tiny-gpt2")).spec), 128u);
  EXPECT_EQ(text_window(OpenModel(tiny("tiny-mamba")).spec), 512u);
  EXPECT_EQ(text_window(ModelSpec{}), 512u);
}

}  // namespace
}  // namespace quern
