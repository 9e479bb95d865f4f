// Callers that pass nothing, too much or what contradicts itself; that cancel, throw, and keep what they were given.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "compress/tiny_package_fixture.h"
#include "quern/quern.h"

extern "C" void omp_set_num_threads(int);
extern "C" int omp_get_max_threads();

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m";
const fs::path kTexts = fs::path(QUERN_SOURCE_DIR) / "texts";

// Without any text; done in a moment.
CompressOptions tiny_options(const fs::path& output) {
  return {.input = tiny("tiny-llama-bias"), .output = output, .machine = {.threads = 2}};
}

std::string weights_of(const fs::path& folder) { return read_text(folder / "model.safetensors"); }

// Does `what` with every advance.
template <typename What>
class OnAdvance : public Observer {
 public:
  explicit OnAdvance(What what) : what_(what) {}
  void advance(std::string_view) override { what_(); }

 private:
  What what_;
};

TEST(BadCaller, PassesNoPath) {
  const auto refused = [](auto call, std::string_view field) {
    expect_parts(message_of(ErrorCode::kUsage, call), {field, "is empty; it should name"});
  };
  refused([] { open(""); }, "the path of a model");
  refused([] { inspect(""); }, "the path of a model");
  refused([] { compress({}); }, "`input`");
  refused([] { compress({.input = tiny("tiny-llama-bias")}); }, "`output`");
  refused([] { plan({}); }, "`input`");
  refused([] { evaluate(open(kModel), {}); }, "`text`");
  refused([] { verify({}); }, "`package`");
  refused([] { chain({}); }, "`input`");
  refused([] { chain({.input = kModel}); }, "`output`");
}

TEST(BadCaller, PassesAPathOfNothing) {
  const ScratchFolder scratch;
  const fs::path absent = scratch.path() / "absent";
  const auto refused = [&](ErrorCode code, auto call) { expect_parts(message_of(code, call), {absent.string()}); };
  refused(ErrorCode::kInput, [&] { open(absent); });
  refused(ErrorCode::kInput, [&] { inspect(absent); });
  refused(ErrorCode::kInput, [&] { compress({.input = absent, .output = scratch.path() / "out"}); });
  refused(ErrorCode::kInput, [&] { plan({.compress = {.input = absent}}); });
  refused(ErrorCode::kInput, [&] { evaluate(open(kModel), {.text = absent}); });
  refused(ErrorCode::kVerification, [&] { verify({.package = absent}); });
  EXPECT_FALSE(fs::exists(scratch.path() / "out")) << "a refused call writes nothing";
  EXPECT_FALSE(fs::exists(scratch.path() / "out.partial"));
}

TEST(BadCaller, SetsOptionsThatContradictEachOther) {
  const ScratchFolder scratch;
  const auto refused = [&](auto change, std::initializer_list<std::string_view> parts) {
    CompressOptions options = tiny_options(scratch.path() / "out");
    change(options);
    expect_parts(message_of(ErrorCode::kUsage, [&] { compress(options); }), parts);
  };
  const SizeGoal size{SizeGoal::Unit::kRatio, 3};
  refused([&](auto& o) { o.size = size, o.plan = "p.json"; }, {"a plan has chosen", "give one of the two"});
  refused([&](auto& o) { o.precision_map = o.plan = "p.json"; }, {"a plan has chosen", "`precision_map`"});
  refused([&](auto& o) { o.survey_passes = 9; }, {"`survey_passes`", "`size`", "`bound.max_kld`"});
  refused([&](auto& o) { o.size = size; }, {"a size", "`calibration_text`", "`gate_text`"});
  refused([&](auto& o) { o.bound.max_kld = 0.1; }, {"a quality bound", "`calibration_text`", "`gate_text`"});
  refused([&](auto& o) { o.gate_text = kTexts / "eval.txt"; }, {"`gate_text` decides", "`bound.max_kld` or `size`"});
  refused([&](auto& o) { o.optimizer = "ldlq"; }, {"ldlq", "give `calibration_text`"});
  refused([&](auto& o) { o.output = o.input; }, {"tiny-llama-bias"});
}

TEST(BadCaller, SetsAnOptionOutOfItsRange) {
  const ScratchFolder scratch;
  const auto refused = [&](auto change, std::initializer_list<std::string_view> parts) {
    CompressOptions options = tiny_options(scratch.path() / "out");
    change(options);
    expect_parts(message_of(ErrorCode::kUsage, [&] { compress(options); }), parts);
    expect_parts(message_of(ErrorCode::kUsage, [&] { plan({.compress = options}); }), parts);
  };
  refused([](auto& o) { o.bound.max_kld = -1; }, {"`bound.max_kld` is -1", "from 0 on"});
  refused([](auto& o) { o.bound.max_perplexity_increase = NAN; }, {"`bound.max_perplexity_increase` is nan"});
  refused([](auto& o) { o.size = SizeGoal{}; }, {"`size` is 0", "above 0"});
  refused([](auto& o) { o.survey_passes = 0; }, {"`survey_passes` is 0; the least is 1"});
  refused([](auto& o) { o.max_trials = 0; }, {"`max_trials` is 0; the least is 1"});
  refused([](auto& o) { o.machine.threads = 5000; }, {"`machine.threads` is 5000; the most is 1024"});
  const auto said = [](auto call) { return message_of(ErrorCode::kUsage, call); };
  expect_parts(said([] { evaluate(open(kModel), {.text = "t", .window_length = 3}); }), {"`window_length` is 3"});
  expect_parts(said([] { verify({.package = "p", .stride = 0}); }), {"`stride` is 0; the least is 1"});
  expect_parts(said([] { generate(open(kModel), {.prompt = "a", .sampling = {.top_p = 2}}); }), {"`sampling.top_p` 2"});
}

TEST(BadCaller, WritesWhereSomethingIs) {
  const ScratchFolder scratch;
  CompressOptions options = tiny_options(scratch.path() / "out");
  compress(options);
  const std::string first = weights_of(options.output);
  expect_parts(message_of(ErrorCode::kUsage, [&] { compress(options); }),
               {"out already exists", "`existing=kReplace`"});
  options.existing = ExistingOutput::kReplace;
  compress(options);
  EXPECT_EQ(weights_of(options.output), first);
}

// Two compressions into one folder: the second is refused while the first is at work.
TEST(BadCaller, WritesOneFolderTwiceAtOnce) {
  const ScratchFolder scratch;
  const CompressOptions options = tiny_options(scratch.path() / "out");
  std::string refusal;
  OnAdvance observer([&] { refusal = message_of(ErrorCode::kUsage, [&] { compress(options); }); });
  compress(options, &observer);
  expect_parts(refusal, {"another run is writing", "out"});
}

class Interrupted : public ::testing::Test {
 protected:
  const ScratchFolder scratch;
  const CompressOptions whole = tiny_options(scratch.path() / "whole");
  CompressOptions options = tiny_options(scratch.path() / "out");

  void SetUp() override { compress(whole); }

  // What was finished is there, and a call that resumes ends with the same bytes.
  void expect_resumable() {
    EXPECT_FALSE(fs::exists(options.output));
    EXPECT_TRUE(fs::exists(scratch.path() / "out.partial" / "journal"));
    options.start = CompressOptions::Start::kResume;
    const CompressResult result = compress(options);
    expect_parts(result.json, {"an interrupted run was continued"});
    EXPECT_EQ(weights_of(options.output), weights_of(whole.output));
    EXPECT_FALSE(fs::exists(scratch.path() / "out.partial"));
  }
};

TEST_F(Interrupted, FromAnotherThread) {
  struct Cancelled : Observer {
    std::atomic<bool> begun{false}, cancelled{false};
    void advance(std::string_view) override {
      begun = true;
      while (!cancelled) std::this_thread::yield();
    }
    bool interrupted() const override { return cancelled; }
  } observer;
  std::thread other([&] {
    while (!observer.begun) std::this_thread::yield();
    observer.cancelled = true;
  });
  expect_parts(message_of(ErrorCode::kInterrupted, [&] { compress(options, &observer); }),
               {"interrupted", "out.partial", "`start=kResume`"});
  other.join();
  expect_resumable();
}

TEST_F(Interrupted, ByAnExceptionOfItsOwn) {
  struct Mine : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  OnAdvance observer([] { throw Mine("the window was closed"); });
  try {
    compress(options, &observer);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Mine& mine) {
    EXPECT_STREQ(mine.what(), "the window was closed");
  }
  expect_resumable();
}

// The library's own Error of this code would mean that what was begun is worth nothing.
TEST_F(Interrupted, ByAnErrorOfTheLibrary) {
  OnAdvance observer([] { throw Error(ErrorCode::kQuality, "mine"); });
  EXPECT_EQ(message_of(ErrorCode::kQuality, [&] { compress(options, &observer); }), "mine");
  expect_resumable();
}

TEST_F(Interrupted, ByWhatIsNoException) {
  struct Asked : Observer {
    bool begun = false;
    void advance(std::string_view) override { begun = true; }
    bool interrupted() const override { return begun ? throw 7 : false; }
  } observer;
  EXPECT_THROW(compress(options, &observer), int);
  expect_resumable();
}

TEST(BadCaller, ThrowsFromTheTextThatIsShown) {
  std::size_t shown = 0;
  const auto show = [&](std::string_view) {
    if (++shown == 2) throw std::length_error("enough");
  };
  EXPECT_THROW(generate(open(kModel), {.prompt = "The", .tokens = 20, .machine = {.threads = 2}}, show),
               std::length_error);
  EXPECT_EQ(shown, 2u);
}

TEST(BadCaller, HasOpenmpThreadsOfItsOwn) {
  omp_set_num_threads(3);
  evaluate(open(kModel), {.text = kTexts / "eval.txt", .windows = 1, .machine = {.threads = 1}});
  EXPECT_EQ(omp_get_max_threads(), 3);
}

TEST(BadCaller, GeneratesTwiceAtOnceFromOneModel) {
  const Model model = open(kModel);
  const GenerateOptions options{.prompt = "The history of", .tokens = 10, .machine = {.threads = 1}};
  GenerateResult other;
  std::thread thread([&] { other = generate(model, options); });
  const GenerateResult one = generate(model, options);
  thread.join();
  EXPECT_EQ(one.text, other.text);
}

TEST(BadCaller, KeepsResultsLongerThanTheirModel) {
  const auto scratch = std::make_unique<ScratchFolder>();
  const fs::path model = scratch->copy(tiny("tiny-llama-bias"));
  CompressOptions options = tiny_options(scratch->path() / "out");
  options.input = model;
  auto handle = std::make_unique<const Model>(model);
  const Model copy = *handle;
  const InspectResult inspected = inspect(model);
  const CompressResult compressed = compress(options);
  const std::string report = read_text(options.output / "report.json");
  handle.reset();
  fs::remove_all(scratch->path());
  EXPECT_EQ(copy.architecture(), "llama");
  EXPECT_EQ(copy.parameters(), inspected.parameters);
  EXPECT_EQ(inspected.tensors.size(), compressed.tensors.size());
  EXPECT_EQ(compressed.json, report);
}

TEST(BadCaller, CompressesTwiceAtOnce) {
  const ScratchFolder scratch;
  const auto options = [&](const char* name) {
    CompressOptions o{.input = kModel, .output = scratch.path() / name, .scheme = "q4_k_m"};
    o.calibration_text = kTexts / "calib.txt";
    o.calibration_windows = 2;
    o.optimizer = "ldlq";
    o.machine = {.threads = 2, .precision = Precision::kF32};
    return o;
  };
  std::string failed;
  std::thread other([&] {
    try {
      compress(options("b"));
    } catch (const std::exception& error) {
      failed = error.what();
    }
  });
  const CompressResult a = compress(options("a"));
  other.join();
  EXPECT_EQ(failed, "");
  EXPECT_TRUE(read_text(scratch.path() / "a" / "llama-7m-q4_k_m.gguf") ==
              read_text(scratch.path() / "b" / "llama-7m-q4_k_m.gguf"));
  EXPECT_TRUE(a.accepted);
}

}  // namespace
}  // namespace quern
