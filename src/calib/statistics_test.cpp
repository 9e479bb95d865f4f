// The importance-matrix file: round trip, bytes, and everything that is refused.
#include "calib/statistics.h"

#include "base/random.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

class StatisticsFile : public ::testing::Test {
 protected:
  const Checkpoint checkpoint = open_checkpoint(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-llama-bias");
  const ModelSpec spec = describe_model(checkpoint);
  const ExportMap names = map_to_gguf(spec, checkpoint);
  const ScratchFolder scratch;

  Statistics random_statistics() const {
    Random random(5);
    Statistics s{.groups = {}, .text_name = "calib.txt", .windows = 3, .window_length = 32};
    for (const Weight& weight : spec.weights) {
      if (weight.group.empty()) continue;
      InputMoments moments{.mean_square = {}, .tokens = 96};
      for (std::uint64_t c = 0; c < weight.axes.back().extent; ++c)
        moments.mean_square.push_back(random.uniform() * 1e3);
      s.groups[weight.group] = {{moments}, moments};
    }
    return s;
  }

  // A file of these tensors, "NAME" -> values.
  std::filesystem::path file_of(const std::vector<std::pair<std::string, std::vector<float>>>& tensors,
                                const char* type = "imatrix") const {
    CheckpointHead head;
    head.metadata.set("general.type", std::string(type));
    for (const auto& [name, values] : tensors)
      head.tensors.push_back({name, {1, values.size()}, kFloat32, {values.size() * sizeof(float)}});
    const auto writer = find_format("gguf").create(scratch.path(), head);
    for (std::size_t i = 0; i < tensors.size(); ++i)
      writer->write(i, 0, 0, std::as_bytes(std::span(tensors[i].second)));
    writer->finish();
    return scratch.path() / "model.gguf";
  }

  void expect_refused(const std::filesystem::path& path, const std::string& part) const {
    try {
      read_statistics(path, spec, names);
      ADD_FAILURE() << "accepted; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(path.filename().string()), std::string::npos) << error.what();
    }
  }
};

constexpr const char* kSums = "blk.0.attn_q.weight.in_sum2";
constexpr const char* kCounts = "blk.0.attn_q.weight.counts";

TEST_F(StatisticsFile, ReadsBackWhatWasWritten) {
  const Statistics written = random_statistics();
  write_statistics(scratch.path() / "s.gguf", written, spec, names);
  const Statistics read = read_statistics(scratch.path() / "s.gguf", spec, names);
  EXPECT_EQ(read.text_name, "calib.txt");
  EXPECT_EQ(read.windows, 3u);
  EXPECT_EQ(read.window_length, 32u);
  ASSERT_EQ(read.groups.size(), written.groups.size());
  for (const auto& [group, of_group] : written.groups) {
    const InputMoments &back = read.groups.at(group).experts.at(0), &moments = of_group.experts.at(0);
    EXPECT_EQ(back.tokens, moments.tokens);
    ASSERT_EQ(back.mean_square.size(), moments.mean_square.size());
    for (std::size_t c = 0; c < moments.mean_square.size(); ++c)
      EXPECT_NEAR(back.mean_square[c], moments.mean_square[c], 1e-7 * moments.mean_square[c]) << group;
  }
}

TEST_F(StatisticsFile, WhatWasReadIsWrittenWithTheSameBytes) {
  const std::string first = write_statistics(scratch.path() / "s.gguf", random_statistics(), spec, names);
  const Statistics read = read_statistics(scratch.path() / "s.gguf", spec, names);
  EXPECT_EQ(write_statistics(scratch.path() / "t.gguf", read, spec, names), first);
  EXPECT_EQ(read_text(scratch.path() / "s.gguf"), read_text(scratch.path() / "t.gguf"));
}

TEST_F(StatisticsFile, GivesTheMomentsOfAGroupToEachOfItsWeights) {
  const Statistics s = random_statistics();
  std::size_t with = 0;
  for (const Weight& weight : spec.weights) {
    const auto moments = moments_of(s, weight);
    EXPECT_EQ(moments.empty(), weight.group.empty()) << weight.tensor;
    if (moments.empty()) continue;
    ++with;
    EXPECT_EQ(moments.data(), s.groups.at(weight.group).experts.at(0).mean_square.data());
  }
  EXPECT_GT(with, 7u);
  EXPECT_TRUE(moments_of({}, spec.weights.front()).empty());
}

TEST_F(StatisticsFile, AcceptsAFileThatCoversSomeWeights) {
  const Statistics s =
      read_statistics(file_of({{kSums, std::vector<float>(64, 8.0f)}, {kCounts, {4.0f}}}), spec, names);
  ASSERT_EQ(s.groups.size(), 1u);
  EXPECT_EQ(s.groups.begin()->second.experts.at(0).mean_square, std::vector<double>(64, 2.0));
}

TEST_F(StatisticsFile, RefusesAnotherLength) {
  expect_refused(file_of({{kSums, std::vector<float>(65, 1.0f)}, {kCounts, {4.0f}}}),
                 "have 65 values, the weight has 64 columns for 1 inputs");
}

TEST_F(StatisticsFile, RefusesNegativeAndNonFiniteSums) {
  for (const float bad : {-1.0f, INFINITY, std::nanf("")}) {
    std::vector<float> sums(64, 1.0f);
    sums[17] = bad;
    expect_refused(file_of({{kSums, sums}, {kCounts, {4.0f}}}), "sums of squares are finite and not negative");
  }
}

TEST_F(StatisticsFile, RefusesImpossibleCounts) {
  const std::vector<float> sums(64, 1.0f);
  expect_refused(file_of({{kSums, sums}, {kCounts, {0.0f}}}), "taken over 0 tokens");
  expect_refused(file_of({{kSums, sums}, {kCounts, {1e30f}}}), "taken over 1e+30 tokens");
  expect_refused(file_of({{kSums, sums}, {kCounts, {1.0f, 1.0f}}}), "hold 2 counts");
  expect_refused(file_of({{kSums, sums}}), kCounts);
}

TEST_F(StatisticsFile, RefusesWhatIsNotAnImportanceMatrixOfThisModel) {
  expect_refused(file_of({{"blk.9.attn_q.weight.in_sum2", {1.0f}}, {"blk.9.attn_q.weight.counts", {1.0f}}}),
                 "no entry matches a weight");
  expect_refused(file_of({{kSums, std::vector<float>(64, 1.0f)}, {kCounts, {4.0f}}}, "model"),
                 "is not an importance matrix");
  expect_refused(scratch.write("text.gguf", "no GGUF at all"), "text.gguf");
}

}  // namespace
}  // namespace quern
