// A model whose weights are no checkpoint's: an overlay that changes every number's place or exponent and leaves the
// model's function as it is goes through statistics, survey, encoding and evaluation as the checkpoint's own do.
#include <algorithm>
#include <bit>
#include <numeric>

#include "apps/eval_models.h"
#include "compress/compress.h"
#include "compress/tiny_package_fixture.h"
#include "encode/weight_rows.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "package/package.h"
#include "package/verify.h"
#include "runtime/sequence.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m";
const fs::path kTexts = fs::path(QUERN_SOURCE_DIR) / "texts";

// Of every layer of a Llama: the columns of q, k and v times powers of two and the norm before them by their inverse;
// the inner channels of the MLP in another order (rows of gate and up, columns of down).
class SameFunction : public Weights {
 public:
  SameFunction(const Checkpoint& checkpoint, const ModelSpec& spec)
      : base_(checkpoint), order_(spec.extent("inner")), scales_(spec.extent("hidden")) {
    Random random(7);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.below(i)]);
    for (float& scale : scales_) scale = std::ldexp(1.0f, static_cast<int>(random.below(5)) - 2);
  }

  std::string name() const override { return base_.name(); }
  std::string identity() const override { return "columns scaled, channels in the order of seed 7"; }
  StoredForm stored(const Weight& weight) const override { return base_.stored(weight); }

  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override {
    if (weight.role == "mlp.gate" || weight.role == "mlp.up") {
      for (std::size_t i = 0; i < out.rows; ++i)
        base_.read_rows(weight, order_[first + i], {out.row(i).data(), 1, out.cols, out.cols});
      return;
    }
    base_.read_rows(weight, first, out);
    for (std::size_t i = 0; i < out.rows; ++i) change_row(weight, out.row(i));
  }

 private:
  void change_row(const Weight& weight, std::span<float> row) const {
    if (weight.role == "mlp.down") {
      const std::vector<float> before(row.begin(), row.end());
      for (std::size_t k = 0; k < row.size(); ++k) row[k] = before[order_[k]];
    } else if (weight.role == "attn.q" || weight.role == "attn.k" || weight.role == "attn.v") {
      for (std::size_t k = 0; k < row.size(); ++k) row[k] *= scales_[k];
    } else if (weight.tensor.find("input_layernorm") != std::string::npos) {
      for (std::size_t k = 0; k < row.size(); ++k) row[k] /= scales_[k];
    }
  }

  CheckpointWeights base_;
  std::vector<std::size_t> order_;
  std::vector<float> scales_;
};

OpenModel overlaid() {
  auto checkpoint = std::make_unique<const Checkpoint>(open_checkpoint(kModel));
  ModelSpec spec = describe_model(*checkpoint);
  auto weights = std::make_unique<const SameFunction>(*checkpoint, spec);
  return OpenModel(std::move(checkpoint), std::move(spec), std::move(weights));
}

CompressOptions options_for(const fs::path& output, const char* scheme) {
  CompressOptions options;
  options.input = kModel;
  options.output = output;
  options.scheme = scheme;
  options.format = "gguf";
  options.machine.threads = 2;
  options.machine.precision = Precision::kF32;
  return options;
}

EvaluateResult evaluated(const OpenModel& model, const OpenModel* original) {
  EvaluateOptions options;
  options.text = kTexts / "eval.txt";
  options.windows = 3;
  options.machine.threads = 2;
  options.machine.precision = Precision::kF32;
  Observer observer;
  return eval_models(options, model, original, observer);
}

// Sums of squares: of the difference between the overlay's rows and those of the package, and of the overlay's rows.
struct Distance {
  double difference = 0, energy = 0;
};

Distance distance(const OpenModel& model, const fs::path& package, const std::string& role) {
  const Checkpoint files = open_checkpoint(package);
  const CheckpointWeights written(files);
  Distance sum;
  for (const ExportedWeight& exported : export_map(model, find_format("gguf")).weights) {
    const Weight& weight = model.spec.weights[exported.weight];
    if (weight.role != role) continue;
    const ExportedRows rows(model.weights, weight, exported);
    const Matrix expected = rows.rows(0, rows.layout().rows), found = written.read(exported.name);
    for (std::size_t i = 0; i < expected.flat().size(); ++i) {
      sum.difference += std::pow(double{expected.flat()[i]} - found.flat()[i], 2);
      sum.energy += std::pow(double{expected.flat()[i]}, 2);
    }
  }
  EXPECT_GT(sum.energy, 0) << role;
  return sum;
}

TEST(Overlay, HasOtherNumbersAndTheSameFunction) {
  const OpenModel original(kModel), overlay = overlaid();
  std::size_t changed = 0;
  for (const Weight& weight : original.spec.weights)
    changed += !std::ranges::equal(original.weights.read(weight).flat(), overlay.weights.read(weight).flat());
  EXPECT_EQ(changed, 6u * (3 + 1 + 3));  // q, k, v, the norm before them, gate, up and down of six layers
  const EvaluateResult result = evaluated(overlay, &original);
  const double before = result.quality.original_perplexity.value, after = result.quality.perplexity.value;
  EXPECT_NEAR(after / before, 1, 1e-5);
  EXPECT_LT(result.quality.mean_kld.value, 1e-6);
}

// Packed weights of an overlay are computed, not read: of the 16 bits that the checkpoint has, exactly.
TEST(Overlay, GivesTheSameTokensOneByOne) {
  const OpenModel original(kModel), overlay = overlaid();
  ThreadPool pool(2);
  Sequence a(original.walk(pool, Precision::kF32), 8), b(overlay.walk(pool, Precision::kF32), 8);
  for (const std::int32_t id : {1, 300, 4000, 77, 8191}) {
    const std::span<const float> p = a.feed(std::span(&id, 1)), q = b.feed(std::span(&id, 1));
    const float largest = std::abs(*std::ranges::max_element(p, {}, [](float v) { return std::abs(v); }));
    for (std::size_t v = 0; v < p.size(); ++v) ASSERT_NEAR(p[v], q[v], 1e-4 * largest) << id << " " << v;
  }
  EXPECT_EQ(weight_bytes_per_token(original.walk(pool, Precision::kF32)),
            weight_bytes_per_token(overlay.walk(pool, Precision::kF32)));
}

TEST(Overlay, IsWhatAPackageHolds) {
  const ScratchFolder scratch;
  Observer observer;
  const CompressOptions options = options_for(scratch.path() / "out", "bf16");
  const Opened opened(options, observer, overlaid());
  const Report report = compress(opened, read_texts(opened));
  for (const char* role : {"attn.q", "mlp.gate", "mlp.down", "norm", "embed"})
    EXPECT_EQ(distance(overlaid(), options.output, role).difference, 0) << role;
  EXPECT_GT(distance(OpenModel(kModel), options.output, "mlp.down").difference, 0);
  EXPECT_NE(std::ranges::find_if(report.notes, [](const std::string& n) { return n.find("seed 7") != n.npos; }),
            report.notes.end());

  // Nobody takes it for a package of the checkpoint.
  EXPECT_EQ(read_manifest(options.output).overlay, overlaid().weights.identity());
  const VerifyResult verified = verify_package(
      {.package = options.output, .original = kModel, .stride = 1, .machine = options.machine}, observer);
  ASSERT_EQ(verified.problems.size(), 1u);
  expect_parts(verified.problems[0], {"were changed before this package was made", "seed 7"});
  const CompressOptions plain = options_for(scratch.path() / "plain", "bf16");
  const Opened of_checkpoint(plain, observer);
  EXPECT_NE(of_checkpoint.plan({}, nullptr).tensors_sha256, read_manifest(options.output).plan.tensors_sha256);
}

// Statistics, survey, search, encoding and both evaluations.
TEST(Overlay, IsSurveyedAndCompressedToASize) {
  const ScratchFolder scratch;
  CompressOptions options = options_for(scratch.path() / "out", "q4_k_m");
  options.calibration_text = kTexts / "calib.txt";
  options.report_text = kTexts / "eval.txt";
  options.calibration_windows = 6;
  options.gate_windows = options.report_windows = 3;
  options.size = {SizeGoal::Unit::kBitsPerWeight, 6.5};
  Observer observer;
  const Opened opened(options, observer, overlaid());
  const Report report = compress(opened, read_texts(opened));
  EXPECT_LE(8.0 * static_cast<double>(report.output_bytes), 6.5 * static_cast<double>(report.parameters));
  ASSERT_TRUE(report.quality);
  EXPECT_LT(report.quality->mean_kld.value, 0.01);

  const OpenModel overlay = overlaid(), original(kModel), package(options.output);
  const EvaluateResult against_overlay = evaluated(package, &overlay), against_original = evaluated(package, &original);
  EXPECT_NEAR(against_overlay.quality.mean_kld.value, report.quality->mean_kld.value, 1e-6);
  EXPECT_NEAR(against_original.quality.mean_kld.value, report.quality->mean_kld.value, 1e-5);
  for (const char* role : {"attn.q", "mlp.gate", "mlp.down"}) {
    const Distance near = distance(overlay, options.output, role), far = distance(original, options.output, role);
    EXPECT_LT(near.difference, 0.02 * near.energy) << role;
    EXPECT_GT(far.difference, 0.2 * far.energy) << role;
  }
}

// Ends the run when encoding begins.
struct Interrupting : Observer {
  bool encoding = false;
  void stage(std::string_view name, std::uint64_t) override { encoding = name == "encode"; }
  bool interrupted() const override { return encoding; }
};

TEST(Overlay, ARunIsContinuedByTheSameWeightsOnly) {
  const ScratchFolder scratch;
  CompressOptions options = options_for(scratch.path() / "out", "q4_0");
  Interrupting interrupting;
  const auto compressed = [](const Opened& opened) { return compress(opened, read_texts(opened)); };
  const Opened first(options, interrupting, overlaid());
  message_of(ErrorCode::kInterrupted, [&] { compressed(first); });
  options.start = CompressOptions::Start::kResume;
  Observer observer;
  const Opened plain(options, observer);
  expect_parts(message_of(ErrorCode::kUsage, [&] { compressed(plain); }), {"another overlay of the weights", "seed 7"});
  const Opened same(options, observer, overlaid());
  EXPECT_NO_THROW(compressed(same));
}

}  // namespace
}  // namespace quern
