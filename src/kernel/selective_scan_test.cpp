// The recurrence against its definition in double, at every split of a window, and at the ends of the range of dt.
#include "kernel/selective_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

struct Case {
  std::size_t tokens, channels, states;
};

// Inputs of one window. x and dt are halves of one matrix, b and c slices of another, as in_proj and x_proj give them.
struct Window {
  explicit Window(const Case& e)
      : extents(e),
        a(e.channels, e.states),
        x_dt(e.tokens, 2 * e.channels),
        b_c(e.tokens, 2 * e.states + 3),
        d(e.channels),
        before(e.channels * e.states) {
    Random random(e.channels * 1000 + e.states);
    const auto uniform = [&](double low, double high) {
      return static_cast<float>(low + (high - low) * random.uniform());
    };
    for (float& v : a.flat()) v = -uniform(0.01, 17.0);
    for (float& v : b_c.flat()) v = uniform(-2, 2);
    for (float& v : d) v = uniform(-1, 1);
    for (float& v : before) v = uniform(-1, 1);
    for (std::size_t t = 0; t < e.tokens; ++t)
      for (std::size_t c = 0; c < e.channels; ++c) {
        x_dt.row(t)[c] = uniform(-3, 3);
        x_dt.row(t)[e.channels + c] = uniform(-7, 2);  // softplus: 0.001 .. 2
      }
  }

  MatrixView slice(const Matrix& m, std::size_t column, std::size_t cols, std::size_t from, std::size_t to) const {
    return {m.row(from).data() + column, to - from, cols, m.cols()};
  }
  Matrix run(std::size_t chunk, std::vector<float>& state) const {
    const auto [tokens, channels, states] = extents;
    Matrix y(tokens, channels + 2);
    state = before;
    for (std::size_t t = 0; t < tokens; t += chunk) {
      const std::size_t end = std::min(t + chunk, tokens);
      selective_scan(a.view(), d, slice(x_dt, 0, channels, t, end), slice(x_dt, channels, channels, t, end),
                     slice(b_c, 3, states, t, end), slice(b_c, 3 + states, states, t, end), state,
                     {y.row(t).data() + 1, end - t, channels, y.cols()});
    }
    return y;
  }

  Case extents;
  Matrix a, x_dt, b_c;
  std::vector<float> d, before;
};

double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// y of one channel by the definition, each with the sum of the magnitudes of its terms: the scale of rounding errors.
// `state` is left at the last token.
struct Exact {
  double value, magnitude;
};
std::vector<Exact> reference(const Window& w, std::size_t channel, std::vector<double>& state) {
  const auto [tokens, channels, states] = w.extents;
  std::vector<Exact> out;
  std::vector<double> scale(states);
  state.assign(&w.before[channel * states], &w.before[channel * states] + states);
  std::ranges::transform(state, scale.begin(), [](double h) { return std::abs(h); });
  for (std::size_t t = 0; t < tokens; ++t) {
    const double x = w.x_dt.row(t)[channel], dt = softplus(w.x_dt.row(t)[channels + channel]);
    Exact y{w.d[channel] * x, std::abs(w.d[channel] * x)};
    for (std::size_t s = 0; s < states; ++s) {
      const double decay = std::exp(dt * w.a.row(channel)[s]), in = dt * w.b_c.row(t)[3 + s] * x;
      state[s] = decay * state[s] + in;
      scale[s] = decay * scale[s] + std::abs(in);
      y.value += w.b_c.row(t)[3 + states + s] * state[s];
      y.magnitude += std::abs(w.b_c.row(t)[3 + states + s]) * scale[s];
    }
    out.push_back(y);
  }
  return out;
}

void expect_matches_reference(const Window& w) {
  const auto [tokens, channels, states] = w.extents;
  std::vector<float> state;
  const Matrix y = w.run(tokens, state);
  for (std::size_t c = 0; c < channels; ++c) {
    std::vector<double> last;
    const std::vector<Exact> exact = reference(w, c, last);
    for (std::size_t t = 0; t < tokens; ++t)
      ASSERT_NEAR(y.row(t)[1 + c], exact[t].value, 3e-6 * exact[t].magnitude) << t << " " << c;
    for (std::size_t s = 0; s < states; ++s)
      ASSERT_NEAR(state[c * states + s], last[s], 1e-5 * (std::abs(last[s]) + 0.1)) << c << " " << s;
  }
  for (std::size_t t = 0; t < tokens; ++t) EXPECT_EQ(y.row(t)[0] + y.row(t)[channels + 1], 0.0f) << "outside the view";
}

class SelectiveScanShapes : public testing::TestWithParam<Case> {};

TEST_P(SelectiveScanShapes, MatchesItsDefinition) { expect_matches_reference(Window(GetParam())); }

TEST_P(SelectiveScanShapes, AnySplitGivesTheSameBits) {
  const Window window(GetParam());
  std::vector<float> whole_state, state;
  const Matrix whole = window.run(window.extents.tokens, whole_state);
  EXPECT_NE(whole_state, window.before);
  for (const std::size_t chunk : {1u, 2u, 7u, 64u}) {
    const Matrix parts = window.run(chunk, state);
    EXPECT_TRUE(std::ranges::equal(parts.flat(), whole.flat())) << chunk;
    EXPECT_EQ(state, whole_state) << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(, SelectiveScanShapes,
                         testing::Values(Case{70, 32, 16}, Case{1, 16, 16}, Case{33, 17, 16}, Case{20, 1, 1},
                                         Case{20, 15, 5}, Case{300, 40, 4}, Case{12, 8, 64}, Case{2000, 3, 16}));

TEST(SelectiveScan, SoftplusAtItsEndsAndDecayBeyondTheRangeOfFloats) {
  Window window({12, 18, 16});
  const std::vector<float> raw{-100.0f, -87.5f, -30.0f, -1e-3f, 0.0f,   1e-3f,
                               17.0f,   19.99f, 20.0f,  20.01f, 300.0f, 5.0f};
  for (std::size_t t = 0; t < raw.size(); ++t) {
    for (std::size_t c = 0; c < 18; c += 2) window.x_dt.row(t)[18 + c] = raw[t];
    for (std::size_t c = 1; c < 18; c += 6) window.x_dt.row(t)[18 + c] = raw[raw.size() - 1 - t];
  }
  expect_matches_reference(window);
}

TEST(SelectiveScan, SlowDecayKeepsItsDigitsOverManyTokens) {
  Window window({4000, 2, 2});
  for (std::size_t t = 0; t < 4000; ++t)
    for (std::size_t c = 0; c < 2; ++c) {
      window.x_dt.row(t)[c] = 1.0f;  // of one sign, so that nothing cancels and errors of the decay add up
      window.x_dt.row(t)[2 + c] = -5.0f;
      for (float& v : window.b_c.row(t)) v = 1.0f;
    }
  for (float& v : window.a.flat()) v = -1.0f;
  std::vector<float> state;
  std::vector<double> last;
  const Matrix y = window.run(4000, state);
  const std::vector<Exact> exact = reference(window, 0, last);
  EXPECT_NEAR(y.row(3999)[1] / exact[3999].value, 1.0, 1e-5);
}

TEST(SelectiveScan, AChannelDoesNotDependOnItsNeighbours) {
  Window window({10, 16, 16});
  std::vector<float> state;
  const Matrix before = window.run(10, state);
  window.x_dt.row(4)[16 + 3] = 400.0f;  // far beyond the range of the exponential, in channel 3
  const Matrix after = window.run(10, state);
  for (std::size_t t = 0; t < 10; ++t)
    for (std::size_t c = 0; c < 16; ++c) {
      if (c == 3 && t >= 4) continue;
      ASSERT_EQ(before.row(t)[1 + c], after.row(t)[1 + c]) << t << " " << c;
    }
  EXPECT_NE(before.row(4)[1 + 3], after.row(4)[1 + 3]);
}

// Puts a NaN into each input of token 3, channel 2 or state 1, and counts the channels whose later results are NaN.
TEST(SelectiveScan, NanReachesWhatDependsOnItAndNothingElse) {
  const Window clean({8, 18, 5});
  const float nan = std::bit_cast<float>(0x7fc00123u);  // a payload must not turn it into a number
  const auto channels_hit = [&](const Window& w, std::size_t token) {
    std::vector<float> state;
    const Matrix y = w.run(8, state);
    return std::count_if(y.row(token).begin(), y.row(token).end(), [](float v) { return std::isnan(v); });
  };
  const auto with = [&](auto&& place) {
    Window w = clean;
    place(w) = nan;
    return w;
  };
  const Window x = with([](Window& w) -> float& { return w.x_dt.row(3)[2]; });
  const Window dt = with([](Window& w) -> float& { return w.x_dt.row(3)[18 + 2]; });
  const Window b = with([](Window& w) -> float& { return w.b_c.row(3)[3 + 1]; });
  const Window c = with([](Window& w) -> float& { return w.b_c.row(3)[3 + 5 + 1]; });
  const Window a = with([](Window& w) -> float& { return w.a.row(2)[1]; });
  const Window h = with([](Window& w) -> float& { return w.before[2 * 5 + 1]; });
  for (const Window* w : {&x, &dt}) EXPECT_EQ(channels_hit(*w, 2), 0);
  for (const Window* w : {&a, &h}) EXPECT_EQ(channels_hit(*w, 0), 1);
  for (const Window* w : {&x, &dt, &a, &h}) EXPECT_EQ(channels_hit(*w, 7), 1);
  EXPECT_EQ(channels_hit(b, 7), 18);
  EXPECT_EQ(channels_hit(c, 3), 18);
  EXPECT_EQ(channels_hit(c, 4), 0);
}

TEST(SelectiveScan, EveryCompilerGivesTheseBits) {
  Window window({40, 24, 16});
  std::vector<float> state;
  const Matrix y = window.run(40, state);
  std::uint32_t mixed = 0;
  for (const float v : y.flat()) mixed = mixed * 31 + std::bit_cast<std::uint32_t>(v);
  EXPECT_EQ(mixed, 4079999665u);
}

TEST(SelectiveScan, RefusesAStateOfAnotherSize) {
  const Matrix a(4, 3), x(2, 4), b(2, 3);
  const std::vector<float> d(4);
  std::vector<float> state(11);
  Matrix y(2, 4);
  EXPECT_THROW(selective_scan(a.view(), d, x.view(), x.view(), b.view(), b.view(), state, y.view()), Error);
}

}  // namespace
}  // namespace quern
