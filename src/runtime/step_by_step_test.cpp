// Ops with a state, fed a window in pieces, against the whole window at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "quern/error.h"
#include "runtime/golden_model_fixture.h"
#include "runtime/prepare_op.h"

namespace quern {
namespace {

constexpr double kStepTolerance = 1e-5;  // of the largest logit
constexpr std::size_t kLength = 48;      // beyond every sliding window of the models

// All ops of a model prepared once; the states of one sequence.
class SteppedModel {
 public:
  SteppedModel(const WalkedModel& model, WalkContext context, std::size_t positions) : weights_(model.weights) {
    std::map<std::string, std::size_t> widths;
    for (const Block& block : context.spec.blocks)
      for (const Op& op : block.ops) {
        if (&op == &context.spec.embedding_op()) {
          embedding_ = &context.spec.embedding();
          first_ = op.output;
          widths[first_] = embedding_->layout().cols;
          continue;
        }
        std::vector<std::size_t> of_inputs;
        for (const std::string& name : op.inputs) of_inputs.push_back(widths.at(name));
        steps_.push_back({&op, prepare_op(context, op, positions, of_inputs), {}});
        widths[op.output] = steps_.back().prepared.width;
        if (steps_.back().prepared.begin) steps_.back().state = steps_.back().prepared.begin(positions);
      }
  }

  std::size_t states() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(steps_, [](const Step& step) { return bool{step.prepared.begin}; }));
  }

  // Logits of the next tokens.
  Matrix next(std::span<const std::int32_t> ids) {
    std::map<std::string, Matrix> values;
    Matrix embedded(ids.size(), embedding_->layout().cols);
    for (std::size_t t = 0; t < ids.size(); ++t)
      weights_.read_rows(*embedding_, static_cast<std::size_t>(ids[t]),
                         {embedded.row(t).data(), 1, embedded.cols(), embedded.cols()});
    values[first_] = std::move(embedded);
    for (Step& step : steps_) {
      std::vector<MatrixView> inputs;
      for (const std::string& name : step.op->inputs) inputs.push_back(std::as_const(values.at(name)).view());
      Matrix out(ids.size(), step.prepared.width);
      step.prepared.execute(inputs, out.view(), {position_, step.prepared.begin ? &step.state : nullptr, nullptr});
      values[step.op->output] = std::move(out);
    }
    position_ += ids.size();
    return std::move(values.at("logits"));
  }

 private:
  struct Step {
    const Op* op;
    PreparedOp prepared;
    OpState state;
  };
  const Weights& weights_;
  const Weight* embedding_ = nullptr;
  std::string first_;
  std::vector<Step> steps_;
  std::size_t position_ = 0;
};

// Largest difference over all logits, relative to the largest of them, when the window comes in chunks of these sizes.
double chunked_error(WalkedModel& model, const std::vector<std::size_t>& chunks, const Windows& windows,
                     const Matrix& whole) {
  SteppedModel stepped(model, model.context(), windows.length);
  double worst = 0, largest = 0;
  std::size_t begin = 0;
  for (std::size_t c = 0; begin < windows.length; ++c) {
    const std::size_t count = c < chunks.size() ? chunks[c] : windows.length - begin;
    const Matrix logits = stepped.next(std::span(windows.ids).subspan(begin, count));
    for (std::size_t t = 0; t < count; ++t)
      for (std::size_t v = 0; v < logits.cols(); ++v) {
        const double right = whole.row(begin + t)[v];
        worst = std::max(worst, std::abs(logits.row(t)[v] - right));
        largest = std::max(largest, std::abs(right));
      }
    begin += count;
  }
  return worst / largest;
}

struct Family {
  const char* folder;
  std::size_t states;  // ops that keep one
};

class StepByStep : public testing::TestWithParam<Family> {
 protected:
  std::filesystem::path path_ = std::filesystem::path(QUERN_TESTDATA) / "runtime" / GetParam().folder;
};

TEST_P(StepByStep, AgreesWithTheWholeWindow) {
  WalkedModel model(path_);
  const Windows windows = seeded_windows(1, kLength, model.spec.extent("vocab"), 9);
  const Matrix whole = model.logits(windows);
  EXPECT_EQ(SteppedModel(model, model.context(), kLength).states(), GetParam().states);
  EXPECT_LT(chunked_error(model, std::vector<std::size_t>(kLength, 1), windows, whole), kStepTolerance);
  EXPECT_LT(chunked_error(model, {1, 3, 7}, windows, whole), kStepTolerance);
  EXPECT_LT(chunked_error(model, {20, 1, 1, 13}, windows, whole), kStepTolerance);
}

// Without what came before, the later tokens would give other logits: agreeing means that the states carry it.
TEST_P(StepByStep, ForgettingTheStateMovesTheLogits) {
  WalkedModel model(path_);
  const Windows windows = seeded_windows(1, kLength, model.spec.extent("vocab"), 9);
  const Matrix whole = model.logits(windows);
  SteppedModel stepped(model, model.context(), kLength);
  const Matrix late = stepped.next(std::span(windows.ids).subspan(kLength / 2));
  double worst = 0;
  for (std::size_t v = 0; v < late.cols(); ++v)
    worst = std::max(worst, double{std::abs(late.row(3)[v] - whole.row(kLength / 2 + 3)[v])});
  EXPECT_GT(worst, 1e-2);
}

INSTANTIATE_TEST_SUITE_P(, StepByStep,
                         testing::Values(Family{"tiny-mistral", 2}, Family{"tiny-qwen3", 3}, Family{"tiny-bitnet", 3},
                                         Family{"tiny-gpt2", 3}, Family{"tiny-mamba", 6}, Family{"tiny-mixtral", 3},
                                         Family{"tiny-mixtral-stacked", 3}, Family{"tiny-itera-lite", 6}),
                         [](const auto& of) {
                           std::string name = of.param.folder;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(StepByStepLimits, MoreTokensThanTheModelHasPositionsAreRefused) {
  WalkedModel model(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-gpt2");
  try {
    SteppedModel(model, model.context(), 129);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("129 tokens are longer than the 128 positions"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace quern
