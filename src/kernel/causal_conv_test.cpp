// The convolution against its definition in double, at every split of a window.
#include "kernel/causal_conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

struct Case {
  std::size_t tokens, channels, taps;
};

// A window of x as columns 3 .. 3 + channels - 1 of a wider matrix, after a history of taps - 1 random inputs.
struct Window {
  explicit Window(const Case& c)
      : extents(c),
        weights(random_values(c.channels * c.taps, 1)),
        bias(random_values(c.channels, 2)),
        wide(random_values(c.tokens * stride(), 3)),
        before(random_values((c.taps - 1) * c.channels, 4)) {}

  std::size_t stride() const { return extents.channels + 5; }
  MatrixView rows(std::size_t from, std::size_t to) const {
    return {wide.data() + from * stride() + 3, to - from, extents.channels, stride()};
  }
  double input(std::ptrdiff_t t, std::size_t c) const {
    const auto past = static_cast<std::ptrdiff_t>(extents.taps - 1);
    return t < 0 ? before[static_cast<std::size_t>(t + past) * extents.channels + c]
                 : rows(0, extents.tokens).row(static_cast<std::size_t>(t))[c];
  }
  Matrix run(std::span<const float> with_bias, std::size_t chunk, std::vector<float>& history) const {
    Matrix y(extents.tokens, extents.channels);
    history = before;
    for (std::size_t t = 0; t < extents.tokens; t += chunk) {
      const std::size_t end = std::min(t + chunk, extents.tokens);
      causal_conv(weights, with_bias, rows(t, end), history,
                  {y.row(t).data(), end - t, extents.channels, extents.channels});
    }
    return y;
  }

  Case extents;
  std::vector<float> weights, bias, wide, before;
};

class CausalConvShapes : public testing::TestWithParam<Case> {};

TEST_P(CausalConvShapes, MatchesItsDefinition) {
  const Window window(GetParam());
  const auto [tokens, channels, taps] = window.extents;
  std::vector<float> history;
  const Matrix y = window.run(window.bias, tokens, history), bare = window.run({}, tokens, history);
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (std::size_t j = 0; j < taps; ++j)
        sum += double{window.weights[c * taps + j]} * window.input(static_cast<std::ptrdiff_t>(t + j + 1 - taps), c);
      ASSERT_NEAR(bare.row(t)[c], sum, 2e-6) << t << " " << c;
      ASSERT_NEAR(y.row(t)[c], sum + window.bias[c], 2e-6) << t << " " << c;
    }
}

TEST_P(CausalConvShapes, AnySplitGivesTheSameBitsAndTheLastInputs) {
  const Window window(GetParam());
  const auto [tokens, channels, taps] = window.extents;
  std::vector<float> whole_history, history;
  const Matrix whole = window.run(window.bias, tokens, whole_history);
  for (const std::size_t chunk : {1u, 2u, 3u, 5u}) {
    const Matrix parts = window.run(window.bias, chunk, history);
    EXPECT_TRUE(std::ranges::equal(parts.flat(), whole.flat())) << chunk;
    EXPECT_EQ(history, whole_history) << chunk;
  }
  for (std::size_t i = 0; i + 1 < taps; ++i)
    for (std::size_t c = 0; c < channels; ++c)
      ASSERT_EQ(whole_history[i * channels + c],
                window.input(static_cast<std::ptrdiff_t>(tokens + i + 1) - static_cast<std::ptrdiff_t>(taps), c));
}

INSTANTIATE_TEST_SUITE_P(, CausalConvShapes,
                         testing::Values(Case{9, 32, 4}, Case{9, 7, 4}, Case{1, 17, 4}, Case{2, 3, 4}, Case{6, 5, 1},
                                         Case{20, 33, 2}, Case{3, 4, 9}));

TEST(CausalConv, NanReachesTheTokensThatSeeItAndNoOthers) {
  const std::vector<float> weights(8, 1.0f);
  Matrix x(6, 2), y(6, 2);
  x.row(1)[0] = std::nanf("");
  std::vector<float> history(6);
  causal_conv(weights, {}, x.view(), history, y.view());
  for (std::size_t t = 0; t < 6; ++t) {
    EXPECT_EQ(std::isnan(y.row(t)[0]), t >= 1 && t < 5) << t;
    EXPECT_EQ(y.row(t)[1], 0.0f);
  }
}

TEST(CausalConv, RefusesAHistoryOfAnotherLength) {
  const std::vector<float> weights(8);
  Matrix x(2, 2), y(2, 2);
  std::vector<float> history(4);
  EXPECT_THROW(causal_conv(weights, {}, x.view(), history, y.view()), Error);
}

}  // namespace
}  // namespace quern
