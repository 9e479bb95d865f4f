// Calibration in sequence from the text to the files, and what it refuses.
#include "compress/sequenced.h"

#include <fmt/format.h>

#include "base/sha256.h"
#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "package/verify.h"
#include "plan/check_plan.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Ends a run in the middle of the sequence.
struct Interrupting : Observer {
  std::string now;
  void stage(std::string_view name, std::size_t) override { now = name; }
  void advance(std::string_view) override {
    if (now == "calibrate in sequence") throw Error(ErrorCode::kInterrupted, "enough");
  }
};

struct Counting : Observer {
  std::size_t sequences = 0;  // that were walked
  void stage(std::string_view name, std::size_t) override { sequences += name == "calibrate in sequence"; }
};

// Ends a run behind it.
struct InterruptingEncoding : Observer {
  void stage(std::string_view name, std::size_t) override {
    if (name == "encode") throw Error(ErrorCode::kInterrupted, "enough");
  }
};

struct SequencedModel {
  explicit SequencedModel(const fs::path& model)
      : source(convertible_copy(fs::path(QUERN_TESTDATA) / model, scratch)) {}

  ScratchFolder scratch;
  const fs::path source;
  const fs::path text = scratch.write("calibration.txt", small_text(60));

  CompressOptions options(const std::string& output, unsigned threads = 2) const {
    CompressOptions o;
    o.input = source;
    o.output = scratch.path() / output;
    o.calibration_text = text;
    o.scheme = "q2_k";
    o.larger = CompressOptions::Larger::kAllow;
    o.machine.threads = threads;
    o.machine.precision = Precision::kF32;
    return o;
  }
  CompressOptions planned(const std::string& output, const fs::path& plan, unsigned threads = 2) const {
    CompressOptions o = options(output, threads);
    o.plan = plan;
    return o;
  }
  std::string hash(const std::string& output) const {
    return sha256_of_file(open_checkpoint(scratch.path() / output).files().front().path);
  }
  // The plan of a package, all its matrices in sequence that can be; written beside it.
  fs::path plan_in_sequence(const std::string& of) const {
    const Plan plan = read_plan(scratch.path() / of / "manifest.json");
    Observer observer;
    CompressOptions o = options("never-written");
    const Opened opened(o, observer);
    const Plan changed = opened.sequenced(plan);
    EXPECT_TRUE(has_sequence(changed));
    return scratch.write(of + ".json", dump_json(to_json(changed)));
  }
  Report run(const CompressOptions& o) const {
    Observer observer;
    return compress(o, observer);
  }
  // Of a run into `output` that `by` ends: what goes on with it.
  CompressOptions interrupted(const std::string& output, const fs::path& plan, Observer& by) const {
    CompressOptions o = planned(output, plan);
    EXPECT_THROW(compress(o, by), Error);
    o.start = CompressOptions::Start::kResume;
    return o;
  }
  Report run_by_feedback(const std::string& output) const {
    CompressOptions o = options(output);
    o.optimizer = "descent";
    return run(o);
  }
};

struct SequencedFamily : SequencedModel, testing::TestWithParam<const char*> {
  SequencedFamily() : SequencedModel(GetParam()) {}
};

TEST_P(SequencedFamily, GivesTheSameBytesForAnyNumberOfThreadsAndVerifies) {
  run_by_feedback("plain");
  const fs::path plan = plan_in_sequence("plain");
  std::vector<std::string> hashes;
  for (const unsigned threads : {1u, 4u}) {
    const std::string output = fmt::format("sequence-{}", threads);
    const Report report = run(planned(output, plan, threads));
    for (const ReportedTensor& tensor : report.tensors)
      if (tensor.step.calibration == PlanStep::Calibration::kSequential) {
        EXPECT_LT(tensor.error.output, tensor.error.output_energy) << tensor.step.output;
      }
    hashes.push_back(hash(output));
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_NE(hashes[0], hash("plain"));
  VerifyOptions verify_options;
  verify_options.package = scratch.path() / "sequence-1";
  verify_options.original = source;
  Observer observer;
  const VerifyResult verified = verify_package(verify_options, observer);
  EXPECT_TRUE(verified.problems.empty()) << fmt::format("{}", fmt::join(verified.problems, "\n"));
}

INSTANTIATE_TEST_SUITE_P(Models, SequencedFamily,
                         testing::Values("runtime/tiny-mistral", "runtime/tiny-mixtral", "model/tiny-mamba",
                                         "model/tiny-gpt2"));

struct Sequenced : SequencedModel, testing::Test {
  Sequenced() : SequencedModel("runtime/tiny-mistral") {}
};

TEST_F(Sequenced, GoesOnBehindTheLastFinishedGroup) {
  run_by_feedback("plain");
  const fs::path plan = plan_in_sequence("plain");
  run(planned("whole", plan));
  Interrupting interrupting;
  run(interrupted("parts", plan, interrupting));
  EXPECT_EQ(hash("parts"), hash("whole"));
}

TEST_F(Sequenced, IsNotWalkedAgainOnceItIsThere) {
  run_by_feedback("plain");
  const fs::path plan = plan_in_sequence("plain");
  InterruptingEncoding interrupting;
  const CompressOptions again = interrupted("parts", plan, interrupting);
  Counting counting;
  compress(again, counting);
  EXPECT_EQ(counting.sequences, 0u);
  run(planned("whole", plan));
  EXPECT_EQ(hash("parts"), hash("whole"));
}

// A raised plan has other matrices in front of those in sequence.
TEST_F(Sequenced, ThatABoundRaisedIsWhatItsPlanGives) {
  run_by_feedback("plain");
  const fs::path plan = plan_in_sequence("plain");
  CompressOptions loose = planned("loose", plan), o = planned("bounded", plan);
  loose.bound.max_kld = 100;
  o.bound.max_kld = 0.7 * run(loose).ladder.front().gate->mean_kld.value;
  const Report report = run(o);
  ASSERT_GT(report.ladder.size(), 1u);
  const std::string folder = report.accepted ? "bounded" : "bounded.rejected";
  ASSERT_TRUE(has_sequence(report.ladder.back().plan));
  run(planned("again", scratch.path() / folder / "manifest.json"));
  EXPECT_EQ(hash("again"), hash(folder));
}

TEST_F(Sequenced, CollectsAgainWhatWasChanged) {
  run_by_feedback("plain");
  const fs::path plan = plan_in_sequence("plain");
  run(planned("whole", plan));
  Interrupting interrupting;
  const CompressOptions again = interrupted("parts", plan, interrupting);
  std::size_t changed = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(scratch.path() / "parts.partial"))
    if (entry.path().extension() == ".f32" && changed++ == 0) {
      OutputFile file(entry.path(), OutputFile::Content::kKeep);
      file.write_at(0, std::as_bytes(std::span("changed", 7)));
    }
  ASSERT_GT(changed, 0u);
  Counting counting;
  compress(again, counting);
  EXPECT_GE(counting.sequences, 1u);
  EXPECT_EQ(hash("parts"), hash("whole"));
}

TEST_F(Sequenced, KeepsWhatMeasuresBetterAndSaysBoth) {
  CompressOptions o = options("measured");
  o.sequence = CompressOptions::Sequence::kMeasure;
  o.optimizer = "descent";
  const Report report = run(o);
  const auto says = [](const std::string& note) { return note.find("calibrated") != std::string::npos; };
  const auto note = std::ranges::find_if(report.notes, says);
  ASSERT_NE(note, report.notes.end());
  const bool is_sequential = has_sequence(report.ladder.back().plan);
  EXPECT_EQ(note->find("calibrated in sequence") != std::string::npos, is_sequential) << *note;
}

TEST_F(Sequenced, RefusesWhatCannotBe) {
  run_by_feedback("plain");
  const fs::path plan = plan_in_sequence("plain");
  CompressOptions no_text = planned("no-text", plan);
  no_text.calibration_text.clear();
  no_text.statistics = scratch.path() / "plain" / "statistics.gguf";
  expect_parts(message_of(ErrorCode::kInput, [&] { run(no_text); }), {"in sequence", "calibration_text"});
  Plan edited = read_plan(plan);
  for (PlanStep& step : edited.steps)
    if (step.codec == "f32") step.calibration = PlanStep::Calibration::kSequential;
  const fs::path wrong = scratch.write("wrong.json", dump_json(to_json(edited)));
  expect_parts(message_of(ErrorCode::kInput, [&] { run(planned("wrong", wrong)); }),
               {"wrong.json", "norm", "sequence"});
  CompressOptions rounding = options("rounding");
  rounding.sequence = CompressOptions::Sequence::kMeasure;
  rounding.optimizer = "weighted";
  expect_parts(message_of(ErrorCode::kUsage, [&] { run(rounding); }), {"sequence", "weighted"});
  rounding.optimizer = "auto";
  rounding.calibration_text.clear();
  expect_parts(message_of(ErrorCode::kUsage, [&] { run(rounding); }), {"calibration_text"});
}

}  // namespace
}  // namespace quern
