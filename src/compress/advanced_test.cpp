// The advanced mode on a tiny model: sizes that only encoding tells, a bound, and what is said of published methods.
#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

class Advanced : public testing::Test {
 protected:
  const ScratchFolder scratch;
  Observer observer;

  CompressOptions options(const char* output) const {
    CompressOptions options;
    options.input = convertible_copy(tiny("tiny-llama-bias"), scratch);
    options.output = scratch.path() / output;
    options.mode = CompressOptions::Mode::kAdvanced;
    options.calibration_text = scratch.write("calib.txt", small_text(60));
    options.calibration_windows = options.gate_windows = 4;
    options.machine.threads = 2;
    return options;
  }

  static std::uint64_t measured_steps(const Report& report) {
    return static_cast<std::uint64_t>(std::ranges::count_if(
        report.ladder.back().plan.steps, [](const PlanStep& step) { return find_codec(step.codec)->is_measured(); }));
  }
  static std::uint64_t model_bytes(const fs::path& folder) {
    std::uint64_t sum = 0;
    for (const char* file : {"model.safetensors", "config.json", "tokenizer.json"}) sum += fs::file_size(folder / file);
    return sum;
  }
};

TEST_F(Advanced, KeepsToASizeThatOnlyEncodingTells) {
  CompressOptions of_size = options("out");
  constexpr std::uint64_t kMost = 90'000;  // one matrix is packed without loss
  of_size.size = SizeGoal{SizeGoal::Unit::kBytes, static_cast<double>(kMost)};
  const Report report = compress(of_size, observer);
  EXPECT_GT(measured_steps(report), 0u) << "nothing was to be measured";
  EXPECT_LE(model_bytes(of_size.output), kMost);
  EXPECT_GE(model_bytes(of_size.output), kMost * 98 / 100);
  ASSERT_TRUE(report.size);
  EXPECT_EQ(report.size->most, kMost);
  EXPECT_EQ(report.size->chosen.bytes, model_bytes(of_size.output));
  EXPECT_EQ(report.output_bytes, model_bytes(of_size.output));
  const auto says = [&](std::string_view what) {
    return std::ranges::any_of(report.notes, [&](const std::string& note) { return note.find(what) != note.npos; });
  };
  EXPECT_TRUE(says("serves this size best in") || says("chosen for no matrix"));
  EXPECT_NE(read_text(of_size.output / "README.md").find("no program but quern loads"), std::string::npos);
}

TEST_F(Advanced, FindsTheSizeThatABoundNeeds) {
  CompressOptions of_bound = options("out");
  of_bound.bound.max_kld = 0.02;
  const Report report = compress(of_bound, observer);
  EXPECT_TRUE(report.accepted);
  EXPECT_LE(report.ladder.back().gate->mean_kld.value, 0.02);
  EXPECT_FALSE(report.size) << "none was asked for";
  of_bound.mode = CompressOptions::Mode::kAuto;
  of_bound.output = scratch.path() / "by scheme";
  EXPECT_LT(report.output_bytes, compress(of_bound, observer).output_bytes) << "the scheme has 8 bits";
}

TEST_F(Advanced, NeedsSomethingToSearchForAndNothingThatHasChosen) {
  CompressOptions nothing = options("out");
  expect_parts(message_of(ErrorCode::kUsage, [&] { compress(nothing, observer); }), {"`mode`", "`size`"});
  nothing.size = SizeGoal{SizeGoal::Unit::kBytes, 6e4};
  nothing.precision_map = scratch.write("map.json", "[]");
  expect_parts(message_of(ErrorCode::kUsage, [&] { compress(nothing, observer); }), {"`mode`", "`precision_map`"});
}

}  // namespace
}  // namespace quern
