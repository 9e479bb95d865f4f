// Statistics of each expert: against a direct recomputation from the router, through the file, and where there are too
// few tokens.
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>

#include "calib/collect.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "runtime/golden_model_fixture.h"

namespace quern {
namespace {

constexpr std::size_t kWindows = 3, kWindowLength = 40;
using Row = std::vector<double>;

struct Sums {
  Row in, out;
  std::uint64_t tokens = 0;
};

Row times(const Matrix& weights, std::size_t first, std::size_t rows, std::span<const float> x) {
  Row out(rows, 0.0);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < x.size(); ++c) out[i] += double{weights.row(first + i)[c]} * x[c];
  return out;
}

class ExpertStatistics : public testing::Test {
 protected:
  WalkedModel model_{std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-mixtral"};
  const Windows windows_ = seeded_windows(kWindows, kWindowLength, model_.spec.extent("vocab"), 4);
  const std::size_t hidden_ = model_.spec.extent("hidden"), inner_ = model_.spec.extent("inner"),
                    experts_ = model_.spec.extent("experts"), used_ = 3;
  const ScratchFolder scratch_;

  Statistics collect() {
    Observer observer;
    return collect_statistics(model_.context(), windows_, UINT64_MAX, observer);
  }

  // What each window of a layer's router sees, and so what its experts do.
  std::vector<Matrix> router_inputs(std::int32_t layer) {
    std::mutex mutex;
    std::vector<Matrix> inputs(kWindows);
    model_.run(windows_, UINT64_MAX, [&](const Weight& weight, std::size_t, std::size_t window, MatrixView input) {
      if (weight.role != "moe.router" || weight.layer != layer) return;
      Matrix copy(input.rows, input.cols);
      for (std::size_t t = 0; t < input.rows; ++t) std::ranges::copy(input.row(t), copy.row(t).begin());
      const std::lock_guard lock(mutex);
      inputs[window] = std::move(copy);
    });
    return inputs;
  }

  std::vector<Sums> recomputed(std::int32_t layer) {
    const Matrix router = model_.weights.read(weight_of(model_.spec, "moe.router", layer)),
                 gate = model_.weights.read(weight_of(model_.spec, "moe.gate", layer)),
                 up = model_.weights.read(weight_of(model_.spec, "moe.up", layer));
    std::vector<Sums> sums(experts_, Sums{Row(hidden_, 0.0), Row(inner_, 0.0)});
    for (const Matrix& input : router_inputs(layer))
      for (std::size_t t = 0; t < input.rows(); ++t) {
        const Row logits = times(router, 0, experts_, input.row(t));
        std::vector<std::size_t> order(experts_);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::sort(order, std::ranges::greater{}, [&](std::size_t e) { return logits[e]; });
        for (std::size_t i = 0; i < used_; ++i) add_token(sums[order[i]], order[i], gate, up, input.row(t));
      }
    return sums;
  }

  void add_token(Sums& sums, std::size_t expert, const Matrix& gate, const Matrix& up, std::span<const float> x) const {
    ++sums.tokens;
    for (std::size_t c = 0; c < hidden_; ++c) sums.in[c] += double{x[c]} * x[c];
    const Row g = times(gate, expert * inner_, inner_, x), u = times(up, expert * inner_, inner_, x);
    for (std::size_t c = 0; c < inner_; ++c) {
      const double value = g[c] / (1 + std::exp(-g[c])) * u[c];
      sums.out[c] += value * value;
    }
  }
};

void expect_moments(const InputMoments& moments, const Row& sums, std::uint64_t tokens) {
  ASSERT_EQ(moments.tokens, tokens);
  ASSERT_EQ(moments.mean_square.size(), sums.size());
  for (std::size_t c = 0; c < sums.size(); ++c) {
    const double mean = sums[c] / static_cast<double>(std::max<std::uint64_t>(1, tokens));
    EXPECT_NEAR(moments.mean_square[c], mean, 1e-5 * mean + 1e-9) << c;
  }
}

TEST_F(ExpertStatistics, AreThoseOfTheTokensRoutedToEach) {
  const Statistics statistics = collect();
  for (std::int32_t layer = 0; layer < 3; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    const GroupMoments &in = statistics.groups.at(prefix + "moe.in"), &out = statistics.groups.at(prefix + "moe.out");
    const std::vector<Sums> sums = recomputed(layer);
    ASSERT_EQ(in.experts.size(), experts_);
    ASSERT_EQ(out.experts.size(), experts_);
    Row all(hidden_, 0.0);
    std::uint64_t tokens = 0;
    for (std::size_t e = 0; e < experts_; ++e) {
      expect_moments(in.experts[e], sums[e].in, sums[e].tokens);
      expect_moments(out.experts[e], sums[e].out, sums[e].tokens);
      for (std::size_t c = 0; c < hidden_; ++c) all[c] += sums[e].in[c];
      tokens += sums[e].tokens;
    }
    EXPECT_EQ(tokens, used_ * kWindows * kWindowLength);
    expect_moments(in.pooled, all, tokens);
    EXPECT_EQ(statistics.groups.at(prefix + "mlp.in").experts.size(), 1u) << "the router sees every token";
    EXPECT_EQ(statistics.groups.at(prefix + "mlp.in").experts[0].tokens, kWindows * kWindowLength);
  }
}

TEST_F(ExpertStatistics, AreTheSameForAnyNumberOfThreads) {
  const Statistics two = collect();
  WalkedModel alone(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-mixtral", 1);
  Observer observer;
  const Statistics one = collect_statistics(alone.context(), windows_, 0, observer);
  for (const auto& [name, group] : one.groups)
    for (std::size_t e = 0; e < group.experts.size(); ++e)
      EXPECT_EQ(two.groups.at(name).experts[e].mean_square, group.experts[e].mean_square) << name << " " << e;
}

TEST_F(ExpertStatistics, GoThroughTheirFile) {
  const Statistics written = collect();
  const ExportMap map = map_to_gguf(model_.spec, model_.checkpoint);
  const auto path = scratch_.path() / "s.gguf";
  write_statistics(path, written, model_.spec, map);
  const Checkpoint file = open_checkpoint(path);
  EXPECT_EQ(file.at("blk.1.ffn_down_exps.weight.in_sum2").shape, (Shape{experts_, inner_}));
  EXPECT_EQ(file.at("blk.1.ffn_gate_exps.weight.counts").shape, (Shape{experts_, 1}));
  EXPECT_EQ(file.at("blk.1.ffn_gate_inp.weight.in_sum2").shape, (Shape{1, hidden_}));
  const Statistics read = read_statistics(path, model_.spec, map);
  ASSERT_EQ(read.groups.size(), written.groups.size());
  for (const auto& [name, group] : written.groups)
    for (std::size_t e = 0; e < group.experts.size(); ++e) {
      const InputMoments &back = read.groups.at(name).experts.at(e), &moments = group.experts[e];
      ASSERT_EQ(back.tokens, moments.tokens) << name << " " << e;
      for (std::size_t c = 0; c < moments.mean_square.size(); ++c)
        EXPECT_NEAR(back.mean_square[c], moments.mean_square[c], 1e-6 * moments.mean_square[c]) << name;
    }
}

// Moments of `experts` experts with these numbers of tokens; expert e has the mean square e + 1 in both columns.
Statistics made_up(const std::vector<std::uint64_t>& tokens) {
  GroupMoments group;
  for (std::size_t e = 0; e < tokens.size(); ++e)
    group.experts.push_back({std::vector<double>(2, static_cast<double>(e + 1)), tokens[e]});
  group.pooled = pool_moments(group.experts);
  Statistics statistics;
  statistics.groups["layers.0.moe.in"] = group;
  return statistics;
}

TEST(ThinExperts, TakeTheMomentsOfTheirLayer) {
  const Statistics statistics = made_up({kFewestTokens, kFewestTokens - 1, 0, 1000});
  Weight weight;
  weight.group = "layers.0.moe.in";
  weight.axes = {{"experts", 4}, {"inner", 3}, {"hidden", 2}};
  const double n = kFewestTokens;
  const double pooled = (n * 1 + (n - 1) * 2 + 1000 * 4) / (n + (n - 1) + 1000);
  EXPECT_DOUBLE_EQ(moments_of(statistics, weight, 0)[0], 1.0);
  EXPECT_DOUBLE_EQ(moments_of(statistics, weight, 1)[0], pooled);
  EXPECT_DOUBLE_EQ(moments_of(statistics, weight, 2)[1], pooled);
  EXPECT_DOUBLE_EQ(moments_of(statistics, weight, 3)[0], 4.0);
  const std::vector<ThinExpert> thin = thin_experts(statistics);
  ASSERT_EQ(thin.size(), 2u);
  EXPECT_EQ(thin[0].expert, 1u);
  EXPECT_EQ(thin[0].tokens, kFewestTokens - 1);
  EXPECT_EQ(thin[1].expert, 2u);
  EXPECT_EQ(thin[1].group, "layers.0.moe.in");
}

TEST(ThinExperts, AWeightThatIsNoMixtureIsNeverThin) {
  const Statistics statistics = made_up({5});
  EXPECT_TRUE(thin_experts(statistics).empty());
  Weight weight;
  weight.group = "layers.0.moe.in";
  weight.axes = {{"inner", 3}, {"hidden", 2}};
  EXPECT_DOUBLE_EQ(moments_of(statistics, weight)[0], 1.0);
}

}  // namespace
}  // namespace quern
