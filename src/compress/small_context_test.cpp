// Texts of models whose context is shorter than the usual window, and experts that saw few tokens.
#include <algorithm>

#include "compress/compress_texts.h"
#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "package/package.h"

namespace quern {
namespace {

struct Notes : Observer {
  std::vector<std::string> said;
  void note(std::string_view text) override { said.emplace_back(text); }
};

std::size_t count_with(const std::vector<std::string>& notes, std::string_view part) {
  return static_cast<std::size_t>(
      std::ranges::count_if(notes, [&](const std::string& note) { return note.find(part) != std::string::npos; }));
}

struct Texts : testing::Test {
  ScratchFolder scratch;
  CompressOptions options;
  Notes observer;

  Report compressed(const char* fixture, const char* scheme) {
    options.input = convertible_copy(tiny(fixture), scratch);
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

TEST_F(Texts, ExpertsThatSeeFewTokensAreNamedInTheReportAndOnTheWay) {
  options.calibration_windows = 1;  // 256 tokens, each to 3 of 5 experts
  const Report report = compressed("tiny-mixtral", "mixed");
  const char* thin = "tokens of the calibration text, fewer than 128: it takes the statistics of all experts";
  EXPECT_GE(count_with(report.notes, thin), 1u);
  EXPECT_EQ(count_with(observer.said, thin), count_with(report.notes, thin));
  const Json written = parse_json(read_text(options.output / kReportName));
  std::vector<std::string> notes;
  for (const Json& note : written.at("notes").as_array()) notes.push_back(note.as_string());
  EXPECT_EQ(notes, report.notes);
}

TEST_F(Texts, CalibrateStackedExpertsAndTransposedMatrices) {
  for (const auto& [fixture, scheme] :
       {std::pair{"tiny-mixtral-stacked", "simple"}, {"tiny-mixtral-stacked", "mixed-int4"}, {"tiny-gpt2", "nf4"}}) {
    SCOPED_TRACE(std::string_view(fixture));
    const Report report = compressed(fixture, scheme);
    ASSERT_TRUE(report.quality && report.calibration);
    EXPECT_LT(report.quality->mean_kld.value, 1.2);
    EXPECT_FALSE(report.ladder.back().plan.statistics_sha256.empty());
    std::filesystem::remove_all(options.output);
    std::filesystem::remove_all(options.input);
  }
}

}  // namespace
}  // namespace quern
