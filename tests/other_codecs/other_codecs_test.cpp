// Number formats unlike those of the library go all the way: rows of different sizes, weights that are chosen together,
// side information of a whole tensor. Where code assumes otherwise, these fail.
#include "tests/other_codecs/other_codecs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "apps/eval_models.h"
#include "apps/generate.h"
#include "base/random.h"
#include "compress/tiny_package_fixture.h"
#include "forecast/forecast.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "optim/feedback.h"
#include "optim/hessian_fixture.h"
#include "package/package.h"
#include "package/verify.h"
#include "runtime/packed_linear.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m",
               kTexts = fs::path(QUERN_SOURCE_DIR) / "texts";

// All formats at once; even24 where rows have 768 weights.
class OtherCodecs : public testing::Test {
 protected:
  const ScratchFolder scratch;
  const fs::path map = scratch.write("map.json",
                                     R"([{"match": "re:.*(gate|up|q)_proj.*", "codec": "ragged"},
                                         {"match": "*down_proj*", "codec": "even24"},
                                         {"match": "*o_proj*", "codec": "tensor8"},
                                         {"match": "re:.*[kv]_proj.*", "codec": "stripe3"}])");

  CompressOptions options(const char* output) const {
    CompressOptions options;
    options.input = kModel;
    options.output = scratch.path() / output;
    options.precision_map = map;
    options.machine.threads = 2;
    return options;
  }
  std::string weights_of(const char* output) const { return read_text(scratch.path() / output / "model.safetensors"); }
};

// Stops at the n-th step of encoding.
class Stopping : public Observer {
 public:
  explicit Stopping(std::size_t steps) : left_(steps) {}
  void stage(std::string_view name, std::uint64_t) override { encodes_ = name == "encode"; }
  void advance(std::string_view) override { left_ -= encodes_ && left_ > 0; }
  bool interrupted() const override { return left_ == 0; }

 private:
  std::size_t left_;
  bool encodes_ = false;
};

TEST_F(OtherCodecs, AreInTheTables) {
  EXPECT_EQ(find_codec("ragged"), &kRagged);
  EXPECT_EQ(find_codec("even24"), &kEven24);
  EXPECT_TRUE(find_format("safetensors").holds("ragged", 256));
  EXPECT_FALSE(find_format("gguf").holds("ragged", 256));
  EXPECT_TRUE(std::ranges::is_sorted(codecs(), std::greater(), &Codec::bits_per_weight));
}

TEST_F(OtherCodecs, MakeAPackageThatHoldsVerifiesAndRuns) {
  Observer observer;
  const Report report = compress(options("out"), observer);
  const Plan& plan = report.ladder.back().plan;
  const Checkpoint written = open_checkpoint(scratch.path() / "out");
  std::size_t ragged = 0, even = 0, tensor = 0, stripe = 0;
  for (const PlanStep& step : plan.steps) {
    EXPECT_EQ(written.at(step.output).bytes(), step.bytes) << step.output;
    EXPECT_EQ(written.at(step.output).encoding, step.codec);
    ragged += step.codec == "ragged";
    even += step.codec == "even24";
    tensor += step.codec == "tensor8";
    stripe += step.codec == "stripe3";
  }
  EXPECT_EQ(ragged, 18u);
  EXPECT_EQ(even, 6u);
  EXPECT_EQ(tensor, 6u);
  EXPECT_EQ(stripe, 12u);
  const VerifyResult verified = verify_package(
      {.package = scratch.path() / "out", .original = kModel, .stride = 1, .machine = {.threads = 2}}, observer);
  EXPECT_TRUE(verified.problems.empty()) << verified.problems[0];
  EXPECT_EQ(verified.compared, plan.steps.size());

  EvaluateOptions eval{.text = kTexts / "eval.txt", .windows = 4};
  eval.machine.threads = 2;
  const OpenModel original(kModel), package(scratch.path() / "out");
  const double kld = eval_models(eval, package, &original, observer).quality.mean_kld.value;
  EXPECT_GT(kld, 0.001);
  EXPECT_LT(kld, 0.5);
}

TEST_F(OtherCodecs, ProductsOfPackedRowsAreThoseOfDecodedOnes) {
  Observer observer;
  compress(options("out"), observer);
  const OpenModel model(scratch.path() / "out");
  ThreadPool pool(2);
  const WalkContext context{model.spec, model.weights, pool, Precision::kF32, WeightForm::kPacked};
  for (const char* name : {"model.layers.3.mlp.up_proj.weight", "model.layers.3.mlp.down_proj.weight",
                           "model.layers.3.self_attn.o_proj.weight", "model.layers.3.self_attn.v_proj.weight"}) {
    const auto weight = std::ranges::find(model.spec.weights, name, &Weight::tensor);
    ASSERT_NE(weight, model.spec.weights.end());
    const PackedLinear linear(context, *weight);
    EXPECT_EQ(linear.bytes(), packed_bytes(model.weights, *weight));
    const Matrix decoded = model.weights.read(*weight);
    Random random(1);
    Matrix x(2, decoded.cols()), y(2, 40);
    for (float& value : x.flat()) value = static_cast<float>(random.normal());
    linear.apply(x.view(), 60, y.view());
    for (std::size_t t = 0; t < 2; ++t)
      for (std::size_t r = 0; r < 40; ++r) {
        double sum = 0;
        for (std::size_t k = 0; k < decoded.cols(); ++k) sum += double{decoded.row(60 + r)[k]} * x.row(t)[k];
        EXPECT_NEAR(y.row(t)[r], sum, 1e-4) << name;
      }
  }
  GenerateOptions run{.prompt = "The", .tokens = 5};
  run.machine.threads = 2;
  EXPECT_EQ(generate_text(model, run, [](std::string_view) {}, observer).tokens, 5u);
}

TEST_F(OtherCodecs, ResumedRunsEndWithTheSameBytes) {
  Observer observer;
  compress(options("whole"), observer);
  Stopping stopping(30);
  EXPECT_NE(message_of(ErrorCode::kInterrupted, [&] { compress(options("resumed"), stopping); }), "");
  CompressOptions again = options("resumed");
  again.start = CompressOptions::Start::kResume;
  compress(again, observer);
  EXPECT_EQ(weights_of("resumed"), weights_of("whole"));
}

TEST_F(OtherCodecs, GiveTheSameBytesForAnyNumberOfThreadsWithErrorFeedbackToo) {
  Observer observer;
  std::string first;
  for (const unsigned threads : {1u, 3u}) {
    CompressOptions with_text = options(threads == 1 ? "one" : "three");
    with_text.machine.threads = threads;
    with_text.calibration_text = kTexts / "calib.txt";
    with_text.calibration_windows = 4;
    with_text.optimizer = "ldlq";
    compress(with_text, observer);
    const std::string bytes = weights_of(threads == 1 ? "one" : "three");
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first) << threads;
  }
}

TEST_F(OtherCodecs, AForecastSaysThatItsSizesAreEstimates) {
  Observer observer;
  const Opened opened(options("out"), observer);
  const Forecast expected = forecast(opened, {});
  EXPECT_TRUE(std::ranges::any_of(expected.notes,
                                  [](const std::string& note) { return note.find("24 of ") != std::string::npos; }));
  const Report report = compress(options("out"), observer);
  const double ratio = static_cast<double>(expected.model_bytes) / static_cast<double>(report.output_bytes);
  EXPECT_NEAR(ratio, 1, 0.05);
  EXPECT_NE(expected.plan.tensor_bytes(), report.ladder.back().plan.tensor_bytes());
}

TEST_F(OtherCodecs, APackageCanBeCompressedAgain) {
  Observer observer;
  compress(options("out"), observer);
  CompressOptions again = options("again");
  again.input = scratch.path() / "out";
  again.precision_map.clear();
  again.scheme = "q8_0";
  again.requantize = CompressOptions::Requantize::kAllow;
  again.larger = CompressOptions::Larger::kAllow;
  const Report report = compress(again, observer);
  EXPECT_TRUE(report.accepted);
}

// 24 columns at a time: their errors go to the columns behind them.
TEST(Granules, FeedbackLosesLessThanRounding) {
  constexpr std::size_t kCols = 192, kRows = 32;
  const std::vector<float> upper = hessian_of(correlated_inputs(kCols / 2, kCols, 1));
  const Factorisation made = factorise({kCols, 1000 * kCols, upper});
  Random random(2);
  Matrix rows(kRows, kCols);
  for (float& value : rows.flat()) value = static_cast<float>(random.normal());
  for (const Codec* codec : {&kEven24, &kRagged, &kTensor8, &kStripe3}) {
    const PackedTensor rounded = encode_tensor(*codec, rows.view());
    PackedTensor fed(trained_on(*codec, rows.view()), {kRows, kCols});
    encode_with_feedback(*made.factor, rows.view(), {}, fed);
    const auto error_of = [&](const PackedTensor& packed) {
      Matrix decoded(kRows, kCols);
      decode_rows(packed.codec(), packed.row(0), 0, decoded.view());
      return hessian_error(*made.factor, rows.view(), decoded.view());
    };
    EXPECT_LT(error_of(fed), 0.8 * error_of(rounded)) << codec->name;
  }
}

TEST(Stripes, RowsAreDecodedFromAnyOneOn) {
  constexpr std::size_t kCols = 7, kRows = 11;
  Random random(3);
  Matrix rows(kRows, kCols), whole(kRows, kCols), some(5, kCols);
  for (float& value : rows.flat()) value = static_cast<float>(random.normal());
  const PackedTensor packed = encode_tensor(kStripe3, rows.view());
  EXPECT_EQ(packed.bytes(), 4u * kCols * 2 + 4);
  decode_rows(packed.codec(), packed.row(0), 0, whole.view());
  for (std::size_t k = 0; k < rows.flat().size(); ++k) EXPECT_NEAR(whole.flat()[k], rows.flat()[k], 0.3);
  for (std::size_t first = 0; first + 5 <= kRows; ++first) {
    decode_rows(packed.codec(), packed.row(0), first, some.view());
    for (std::size_t r = 0; r < 5; ++r) EXPECT_TRUE(std::ranges::equal(some.row(r), whole.row(first + r))) << first;
  }
}

// Importance decides which weight of a granule gives way.
TEST(Granules, RoundingSeesTheImportanceOfItsColumns) {
  Matrix row(1, 24);
  for (float& value : row.flat()) value = 0.4f;
  row.row(0)[3] = 7.5f;
  row.row(0)[5] = 0.49f;
  std::vector<float> importance(24, 1.0f);
  const auto decoded = [&](std::span<const float> columns) {
    const PackedTensor packed = encode_tensor(kEven24, row.view(), columns);
    std::vector<float> out(24);
    decode_row(kEven24, packed.row(0), out);
    return out;
  };
  const std::vector<float> plain = decoded({});
  importance[5] = 1e6f;
  EXPECT_NE(decoded(importance), plain);
}

TEST_F(OtherCodecs, DamagedOffsetsAreRefused) {
  Observer observer;
  compress(options("out"), observer);
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  const std::string good = weights_of("out");
  const Checkpoint written = open_checkpoint(scratch.path() / "out");
  const TensorPart offsets = written.at(name).parts[1];
  for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::string bad = good;
    const std::uint64_t row = wrong == 0 ? 5 : 3;  // 0 behind larger ones, or far outside
    std::copy_n(reinterpret_cast<const char*>(&wrong), sizeof wrong,
                bad.begin() + static_cast<std::ptrdiff_t>(offsets.offset + row * sizeof wrong));
    scratch.write("out/model.safetensors", bad);
    const Checkpoint damaged = open_checkpoint(scratch.path() / "out");
    expect_parts(message_of(ErrorCode::kInput, [&] { CheckpointWeights(damaged).read(name); }),
                 {name, "row", "damaged"});
  }
}

}  // namespace
}  // namespace quern
