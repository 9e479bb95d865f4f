// Routing, and the mixture against a direct computation in double of the experts that each token chose.
#include "runtime/expert_op.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <set>

#include "quern/error.h"
#include "runtime/golden_model_fixture.h"
#include "runtime/prepare_op.h"

namespace quern {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Route, TakesTheLargestAndSharesBySoftmaxOverThem) {
  const Routing routing = route(std::vector<float>{0.5f, -2.0f, 3.0f, 1.5f, 1.0f}, 3);
  EXPECT_EQ(routing.experts, (std::vector<std::uint32_t>{2, 3, 4}));
  const double sum = std::exp(3.0) + std::exp(1.5) + std::exp(1.0);
  const double expected[] = {std::exp(3.0) / sum, std::exp(1.5) / sum, std::exp(1.0) / sum};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(routing.shares[i], expected[i], 1e-6);
}

TEST(Route, OfEqualsTheFirst) {
  EXPECT_EQ(route(std::vector<float>{1, 2, 2, 2, 1}, 2).experts, (std::vector<std::uint32_t>{1, 2}));
  const Routing all_equal = route(std::vector<float>(6, -7.0f), 4);
  EXPECT_EQ(all_equal.experts, (std::vector<std::uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(all_equal.shares, std::vector<float>(4, 0.25f));
}

TEST(Route, AllExpertsAreASoftmaxOverAllLogits) {
  const std::vector<float> logits{0.25f, -1.0f, 2.0f};
  const Routing routing = route(logits, 3);
  EXPECT_EQ(routing.experts, (std::vector<std::uint32_t>{2, 0, 1}));
  EXPECT_NEAR(std::accumulate(routing.shares.begin(), routing.shares.end(), 0.0), 1.0, 1e-6);
}

TEST(Route, OneExpertTakesEverything) {
  const Routing routing = route(std::vector<float>{-900.0f, -1000.0f}, 1);
  EXPECT_EQ(routing.experts, std::vector<std::uint32_t>{0});
  EXPECT_EQ(routing.shares, std::vector<float>{1.0f});
}

TEST(Route, LargeLogitsDoNotOverflow) {
  const Routing routing = route(std::vector<float>{3e38f, 3e38f, -3e38f}, 3);
  EXPECT_EQ(routing.shares, (std::vector<float>{0.5f, 0.5f, 0.0f}));
}

// Left alone, a NaN would only keep its expert from being chosen, and nobody would hear of it.
TEST(Route, ANanAnywhereReachesEveryShare) {
  for (std::size_t at = 0; at < 4; ++at) {
    std::vector<float> logits{4, 3, 2, 1};
    logits[at] = kNan;
    const Routing routing = route(logits, 2);
    EXPECT_EQ(routing.experts.size(), 2u);
    for (const float share : routing.shares) EXPECT_TRUE(std::isnan(share)) << at;
  }
}

using Row = std::vector<double>;

Row times(const Matrix& weights, std::size_t first, std::size_t rows, const Row& x) {
  Row out(rows, 0.0);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < x.size(); ++c) out[i] += double{weights.row(first + i)[c]} * x[c];
  return out;
}

// The mixture of one layer of a tiny model, whose three matrices stand apart.
class Mixture : public testing::Test {
 protected:
  const std::filesystem::path runtime_ = std::filesystem::path(QUERN_TESTDATA) / "runtime";
  WalkedModel model_{runtime_ / "tiny-mixtral"};
  const std::size_t hidden_ = model_.spec.extent("hidden"), inner_ = model_.spec.extent("inner"),
                    experts_ = model_.spec.extent("experts");
  Op op_ = find_op(model_);

  static Op find_op(const WalkedModel& model) {
    for (const Op& op : model.spec.blocks[1].ops)
      if (std::holds_alternative<ExpertsOp>(op.kind)) return op;
    throw std::runtime_error("no experts");
  }
  std::uint32_t used() const { return std::get<ExpertsOp>(op_.kind).used; }
  PreparedOp prepare(const Op& op, WalkedModel& model) const {
    const std::size_t widths[] = {hidden_, experts_};
    return prepare_op(model.context(), op, 64, widths);
  }

  Matrix random(std::size_t rows, std::size_t cols, std::uint64_t seed) const {
    Random source(seed);
    Matrix out(rows, cols);
    for (float& value : out.flat()) value = static_cast<float>(2 * source.uniform() - 1);
    return out;
  }

  struct Heard {
    std::size_t weight, expert;
    Matrix rows;
  };
  // Output, and what the hook heard.
  Matrix run(const PreparedOp& prepared, const Matrix& x, const Matrix& router, std::vector<Heard>* heard = nullptr) {
    const RoutedHook hook = [&](std::size_t weight, std::size_t expert, MatrixView rows) {
      Matrix copy(rows.rows, rows.cols);
      for (std::size_t i = 0; i < rows.rows; ++i) std::ranges::copy(rows.row(i), copy.row(i).begin());
      heard->push_back({weight, expert, std::move(copy)});
    };
    Matrix out(x.rows(), prepared.width);
    std::ranges::fill(out.flat(), 77.0f);  // what was there before does not count
    const MatrixView inputs[] = {x.view(), router.view()};
    prepared.execute(inputs, out.view(), {0, nullptr, heard ? &hook : nullptr});
    return out;
  }

  Matrix matrix(std::size_t i) const { return model_.weights.read(model_.spec.weights[op_.weights[i]]); }

  // What each token should get.
  void expect_mixture(const Matrix& x, const Matrix& router, const Matrix& out) {
    const bool gated = std::get<ExpertsOp>(op_.kind).inner == ExpertsOp::Inner::kGated;
    const Matrix first = matrix(0), up = matrix(gated ? 1 : 0), down = matrix(gated ? 2 : 1);
    for (std::size_t t = 0; t < x.rows(); ++t) {
      const Row input(x.row(t).begin(), x.row(t).end());
      const Routing routing = route(router.row(t), used());
      Row sum(hidden_, 0.0);
      for (std::size_t i = 0; i < routing.experts.size(); ++i) {
        const std::size_t e = routing.experts[i];
        const Row g = times(first, e * inner_, inner_, input), u = times(up, e * inner_, inner_, input);
        Row both(inner_);
        for (std::size_t c = 0; c < inner_; ++c)
          both[c] = gated ? g[c] / (1 + std::exp(-g[c])) * u[c] : g[c] / 2 * std::erfc(-g[c] / std::numbers::sqrt2);
        const Row result = times(down, e * hidden_, hidden_, both);
        for (std::size_t c = 0; c < hidden_; ++c) sum[c] += double{routing.shares[i]} * result[c];
      }
      for (std::size_t c = 0; c < hidden_; ++c) EXPECT_NEAR(out.row(t)[c], sum[c], 2e-5) << t << " " << c;
    }
  }
};

TEST_F(Mixture, IsTheSharedSumOfTheChosenExperts) {
  const Matrix x = random(37, hidden_, 1), router = random(37, experts_, 2);
  expect_mixture(x, router, run(prepare(op_, model_), x, router));
}

TEST_F(Mixture, OfExpertsWithoutAGate) {
  std::get<ExpertsOp>(op_.kind).inner = ExpertsOp::Inner::kGelu;
  EXPECT_THROW(prepare(op_, model_), Error);
  op_.weights.erase(op_.weights.begin());
  const Matrix x = random(37, hidden_, 13), router = random(37, experts_, 14);
  std::vector<Heard> heard;
  expect_mixture(x, router, run(prepare(op_, model_), x, router, &heard));
  for (const Heard& rows : heard) EXPECT_LT(rows.weight, 2u);
}

TEST_F(Mixture, OneTokenGivesWhatItGivesAmongOthers) {
  const Matrix x = random(9, hidden_, 3), router = random(9, experts_, 4);
  const PreparedOp prepared = prepare(op_, model_);
  const Matrix together = run(prepared, x, router);
  for (std::size_t t = 0; t < 9; ++t) {
    Matrix one(1, hidden_), logits(1, experts_);
    std::ranges::copy(x.row(t), one.row(0).begin());
    std::ranges::copy(router.row(t), logits.row(0).begin());
    const Matrix alone = run(prepared, one, logits);
    for (std::size_t c = 0; c < hidden_; ++c) EXPECT_NEAR(alone.row(0)[c], together.row(t)[c], 1e-5) << t;
  }
}

TEST_F(Mixture, AllExpertsMayBeUsed) {
  std::get<ExpertsOp>(op_.kind).used = static_cast<std::uint32_t>(experts_);
  const Matrix x = random(5, hidden_, 5), router = random(5, experts_, 6);
  expect_mixture(x, router, run(prepare(op_, model_), x, router));
}

TEST_F(Mixture, ComputesOnlyTheChosenAndReportsTheirRows) {
  const Matrix x = random(21, hidden_, 7);
  Matrix router = random(21, experts_, 8);
  for (std::size_t t = 0; t < router.rows(); ++t) router.row(t)[2] = -50;  // nobody chooses expert 2
  std::vector<Heard> heard;
  run(prepare(op_, model_), x, router, &heard);
  std::vector<std::vector<std::size_t>> tokens(experts_);
  for (std::size_t t = 0; t < x.rows(); ++t)
    for (const std::uint32_t e : route(router.row(t), used()).experts) tokens[e].push_back(t);
  std::set<std::pair<std::size_t, std::size_t>> seen;
  std::size_t rows_in = 0, rows_out = 0;
  for (const Heard& one : heard) {
    EXPECT_TRUE(seen.insert({one.weight, one.expert}).second);
    ASSERT_TRUE(one.weight == 0 || one.weight == 2) << "the input of gate and up, and that of down";
    ASSERT_EQ(one.rows.rows(), tokens[one.expert].size());
    EXPECT_EQ(one.rows.cols(), one.weight == 0 ? hidden_ : inner_);
    (one.weight == 0 ? rows_in : rows_out) += one.rows.rows();
    if (one.weight != 0) continue;
    for (std::size_t i = 0; i < one.rows.rows(); ++i)
      EXPECT_TRUE(std::ranges::equal(one.rows.row(i), x.row(tokens[one.expert][i])));
  }
  EXPECT_EQ(seen.size(), 2 * experts_);
  EXPECT_TRUE(tokens[2].empty());
  EXPECT_EQ(rows_in, 21u * used());
  EXPECT_EQ(rows_out, 21u * used());
}

// A NaN in an expert's weights spoils its tokens; were it computed for nobody, it would spoil nothing.
TEST_F(Mixture, AnExpertThatNobodyChoosesIsNotMultiplied) {
  const Weight& down = model_.spec.weights[op_.weights[2]];
  Matrix values = model_.weights.read(down);
  for (std::size_t i = 2 * hidden_; i < 3 * hidden_; ++i) std::ranges::fill(values.row(i), kNan);
  replace_values(model_.weights, down, values);
  const Matrix x = random(20, hidden_, 9);
  Matrix router = random(20, experts_, 10);
  for (std::size_t t = 0; t < 20; ++t) router.row(t)[2] = t == 11 ? 50.0f : -50.0f;
  const Matrix out = run(prepare(op_, model_), x, router);
  for (std::size_t t = 0; t < 20; ++t) EXPECT_EQ(std::isnan(out.row(t)[0]), t == 11) << t;
}

TEST_F(Mixture, GateAndUpInOneTensorGiveTheSame) {
  WalkedModel stacked(runtime_ / "tiny-mixtral-stacked");
  const Op fused = find_op(stacked);
  ASSERT_EQ(fused.weights.size(), 2u);
  const Matrix x = random(17, hidden_, 11), router = random(17, experts_, 12);
  const Matrix apart = run(prepare(op_, model_), x, router), together = run(prepare(fused, stacked), x, router);
  for (std::size_t i = 0; i < apart.flat().size(); ++i) EXPECT_NEAR(together.flat()[i], apart.flat()[i], 1e-5);
}

TEST_F(Mixture, ANanInOneRowOfTheRouterIsAnErrorOfItsBlock) {
  const Weight& router = weight_of(model_.spec, "moe.router", 1);
  Matrix values = model_.weights.read(router);
  values.row(3)[0] = kNan;
  replace_values(model_.weights, router, values);
  try {
    model_.run(seeded_windows(1, 20, model_.spec.extent("vocab")));
    FAIL() << "expert 3 was never chosen, and nothing was said";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    const std::string message = error.what();
    EXPECT_NE(message.find("block layers.1"), std::string::npos) << message;
    EXPECT_NE(message.find(router.tensor + " holds a NaN or infinity in row 3"), std::string::npos) << message;
  }
}

TEST_F(Mixture, MoreExpertsUsedThanThereAreIsADefect) {
  std::get<ExpertsOp>(op_.kind).used = static_cast<std::uint32_t>(experts_ + 1);
  EXPECT_THROW(prepare(op_, model_), Error);
}

}  // namespace
}  // namespace quern
