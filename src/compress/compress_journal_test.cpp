// Phases read back exactly, records that do not fit count as absent, and another run is refused.
#include "compress/compress_journal.h"

#include "base/sha256.h"
#include "compress/run_identity.h"
#include "compress/tiny_package_fixture.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

Json identity() {
  return Json::object({{"program", "1"}, {"MODEL", Json::object({{"a", "1"}, {"b", "2"}})}, {"`scheme`", "q4_0"}});
}

Plan small_plan() {
  Plan plan{.scheme = "q4_0", .format = "gguf", .tensors_sha256 = "s", .statistics_sha256 = "t"};
  for (const char* name : {"x", "y"})
    plan.steps.push_back({.tensor = name, .output = name, .codec = "q4_0", .optimizer = "rtn", .bytes = 18});
  return plan;
}

TEST(CompressJournal, PhasesReadBackExactly) {
  const ScratchFolder scratch;
  const Plan plan = small_plan();
  Plan raised = plan;
  raised.steps[1].codec = "q8_0";
  const double third = 1.0 / 3;
  Quality quality{.windows = 2, .tokens = 510};
  quality.mean_kld = {third, 1e-300};
  quality.same_top = {1, 0};
  {
    CompressJournal journal(scratch.path(), identity());
    EXPECT_FALSE(journal.continues());
    EXPECT_FALSE(journal.weights_are_checked());
    EXPECT_FALSE(journal.gate(plan));
    journal.add_weights_checked();
    journal.add_gate(plan, quality);
    journal.add_next(plan, {raised, {{1, third}}});
  }
  const CompressJournal journal(scratch.path(), identity());
  EXPECT_TRUE(journal.continues());
  EXPECT_TRUE(journal.weights_are_checked());
  EXPECT_EQ(journal.gate(plan)->mean_kld.value, third);
  EXPECT_EQ(journal.gate(plan)->mean_kld.standard_error, 1e-300);
  EXPECT_EQ(journal.gate(plan)->tokens, 510u);
  EXPECT_FALSE(journal.gate(raised));
  const std::optional<NextTrial> next = journal.next(plan);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->plan, raised);
  EXPECT_EQ(next->harms.at(0).kld, third);
  EXPECT_FALSE(journal.next(raised));
}

TEST(CompressJournal, PlansThatDoNotFitCountAsAbsent) {
  const ScratchFolder scratch;
  CompressJournal journal(scratch.path(), identity());
  const Plan plan = small_plan();
  Plan other = plan;
  const auto absent = [&](const std::vector<StepHarm>& harms) {
    journal.add_next(plan, {other, harms});
    return !journal.next(plan);
  };
  EXPECT_FALSE(absent({}));
  EXPECT_TRUE(absent({{2, 0.5}}));
  other.steps[0].codec = "q99";
  EXPECT_TRUE(absent({}));
  other = plan;
  other.steps.pop_back();
  EXPECT_TRUE(absent({}));
  other = plan;
  other.statistics_sha256 = "others";
  EXPECT_TRUE(absent({}));
  journal.records().add("gate " + plan.sha256(), "nonsense");
  EXPECT_FALSE(journal.gate(plan));
}

TEST(CompressJournal, SurveysReadBackExactlyOrCountAsAbsent) {
  const ScratchFolder scratch;
  CompressJournal journal(scratch.path(), identity());
  const Plan plan = small_plan();
  const Codec &four = *find_codec("q4_0"), &eight = *find_codec("q8_0");
  std::vector<StepOptions> options = {{0, {{&four, 18, 1.0 / 3}, {&eight, 34, 0}}, &four, 1e-300},
                                      {1, {{&eight, 34, 0.1}}, nullptr, 0}};
  EXPECT_FALSE(journal.survey(plan));
  journal.add_survey(plan, options);
  const auto read = journal.survey(plan);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ(read->at(0).probe, &four);
  EXPECT_EQ(read->at(0).probe_kld, 1e-300);
  EXPECT_EQ(read->at(0).options[0].kld, 1.0 / 3);
  EXPECT_EQ(read->at(0).options[1].codec, &eight);
  EXPECT_EQ(read->at(1).probe, nullptr);
  const auto absent = [&] {
    journal.add_survey(plan, options);
    return !journal.survey(plan);
  };
  options[1].step = 2;
  EXPECT_TRUE(absent());
  options[1].step = 0;
  EXPECT_TRUE(absent());
  options[1] = {1, {{&eight, 34, -0.1}}, nullptr, 0};
  EXPECT_TRUE(absent());
  options[1].options.clear();
  EXPECT_TRUE(absent());
}

TEST(CompressJournal, WhatWasMeasuredTogetherReadsBackExactlyOrCountsAsAbsent) {
  const ScratchFolder scratch;
  CompressJournal journal(scratch.path(), identity());
  const Plan plan = small_plan();
  const std::vector<StepGroup> groups = {{0, 1}, {1}};
  EXPECT_FALSE(journal.together(plan, groups));
  journal.add_together(plan, groups, {1.0 / 3, {{{0, 1}, -1e-300}, {{1}, 0.1}}});
  const auto read = journal.together(plan, groups);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kld, 1.0 / 3);
  ASSERT_EQ(read->gains.size(), 2u);
  EXPECT_EQ(read->gains[0].steps, (StepGroup{0, 1}));
  EXPECT_EQ(read->gains[0].kld, -1e-300);
  EXPECT_FALSE(journal.together(plan, {})) << "as a whole it was not measured";
  journal.add_together(plan, groups, {0.5, {{{2}, 0.1}}});
  EXPECT_FALSE(journal.together(plan, groups));
}

TEST(CompressJournal, OfAnotherRunIsRefused) {
  const ScratchFolder scratch;
  CompressJournal(scratch.path(), identity()).add_weights_checked();
  const auto refusal = [&](ErrorCode code, const char* key, Json value) {
    Json other = identity();
    other.set(key, std::move(value));
    return message_of(code, [&] { CompressJournal(scratch.path(), other); });
  };
  expect_parts(refusal(ErrorCode::kUsage, "`scheme`", "q8_0"),
               {"`scheme`", "it was q4_0", "q8_0 now", "`start=kResume`"});
  expect_parts(refusal(ErrorCode::kUsage, "program", "2"), {"begun by quern 1", "this is 2"});
  expect_parts(refusal(ErrorCode::kUsage, "`bound.max_kld`", 0.5), {"`bound.max_kld`", "it was none"});
  const Json changed = Json::object({{"a", "1"}, {"b", "3"}}),
             added = Json::object({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  expect_parts(refusal(ErrorCode::kInput, "MODEL", changed), {"input has changed", "b is another file"});
  expect_parts(refusal(ErrorCode::kInput, "MODEL", added), {"input has changed", "c is another file"});
  CompressJournal known(scratch.path(), identity());
  EXPECT_TRUE(known.weights_are_checked()) << "what was there stays";
  EXPECT_FALSE(known.knows_source());
  known.expect_source(Json::object({{"a", "hash"}}));
  Json touched = identity();
  touched.set("MODEL", changed);
  CompressJournal again(scratch.path(), touched);  // the hashes decide as soon as they are known
  EXPECT_TRUE(again.knows_source());
  again.expect_source(Json::object({{"a", "hash"}}));
  expect_parts(message_of(ErrorCode::kInput, [&] { again.expect_source(Json::object({{"a", "another"}})); }),
               {"input has changed", "a is another file"});
}

// Stops after so many steps.
class StopsAfter : public Observer {
 public:
  explicit StopsAfter(int steps) : left_(steps) {}
  void advance(std::string_view) override { --left_; }
  bool interrupted() const override { return left_ <= 0; }

 private:
  int left_;
};

TEST(Compress, StoppedAtAnyStepEndsWithTheSameBytes) {
  const ScratchFolder scratch;
  compress_tiny(tiny("tiny-llama-bias"), scratch.path() / "whole");
  CompressOptions options;
  options.input = tiny("tiny-llama-bias");
  options.output = scratch.path() / "out";
  options.machine.threads = 2;
  options.start = CompressOptions::Start::kResume;
  int stops = 0;
  for (bool done = false; !done; ++stops) {
    StopsAfter observer(3 + stops);
    try {
      compress(options, observer);
      done = true;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kInterrupted) << error.what();
      EXPECT_FALSE(fs::exists(options.output));
    }
  }
  EXPECT_GT(stops, 3);
  EXPECT_EQ(sha256_of_file(options.output / "model.safetensors"),
            sha256_of_file(scratch.path() / "whole" / "model.safetensors"));
  EXPECT_FALSE(fs::exists(scratch.path() / "out.partial"));
}

}  // namespace
}  // namespace quern
