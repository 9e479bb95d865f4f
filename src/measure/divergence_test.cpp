// Token scores against sums in double, tile by tile, and the bootstrap.
#include "measure/divergence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

struct Direct {
  double original_nll = 0, candidate_nll = 0, kld = 0;
  bool same_top = false;
};

double log_sum_exp(const std::vector<float>& logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float v : logits) sum += std::exp(v - max);
  return max + std::log(sum);
}

Direct direct(const std::vector<float>& p, const std::vector<float>& q, std::size_t target) {
  const double lp = log_sum_exp(p), lq = log_sum_exp(q);
  Direct d{lp - p[target], lq - q[target], 0,
           std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin()};
  for (std::size_t i = 0; i < p.size(); ++i) d.kld += std::exp(p[i] - lp) * ((p[i] - lp) - (q[i] - lq));
  return d;
}

TokenDivergence in_tiles(const std::vector<float>& p, const std::vector<float>& q, std::size_t target,
                         std::size_t tile) {
  TokenDivergence token;
  for (std::size_t first = 0; first < p.size(); first += tile) {
    const std::size_t count = std::min(tile, p.size() - first);
    token.add(std::span(p).subspan(first, count), std::span(q).subspan(first, count), static_cast<std::int32_t>(first),
              static_cast<std::int32_t>(target));
  }
  return token;
}

TEST(TokenDivergence, AModelAloneIsItsOwnOriginalToTheBit) {
  Random random(9);
  std::vector<float> p;
  for (int v = 0; v < 1000; ++v) p.push_back(static_cast<float>(3 * random.normal()));
  const TokenDivergence beside = in_tiles(p, p, 700, 300);
  LogitSums sums;
  for (std::size_t first = 0; first < p.size(); first += 300)
    sums.add(std::span(p).subspan(first, std::min<std::size_t>(300, p.size() - first)),
             static_cast<std::int32_t>(first), 700);
  const TokenDivergence alone(sums);
  EXPECT_EQ(alone.original_nll(), beside.original_nll());
  EXPECT_EQ(alone.candidate_nll(), beside.candidate_nll());
  EXPECT_EQ(alone.kld(), 0.0);
  EXPECT_TRUE(alone.same_top());
}

// Largest difference of the three figures to the direct computation.
double error_of(const TokenDivergence& token, const Direct& d) {
  EXPECT_EQ(token.same_top(), d.same_top);
  return std::max({std::abs(token.original_nll() - d.original_nll), std::abs(token.candidate_nll() - d.candidate_nll),
                   std::abs(token.kld() - d.kld)});
}

TEST(TokenDivergence, EqualsTheDirectComputationForTilesOfAnySize) {
  Random random(1);
  double worst = 0;
  for (int i = 0; i < 60; ++i) {
    const std::size_t vocab = 1 + random.below(3000);
    const double spread = 0.5 + 4 * random.uniform(), noise = random.uniform() * random.uniform();
    std::vector<float> p, q;
    for (std::size_t v = 0; v < vocab; ++v) {
      p.push_back(static_cast<float>(random.normal() * spread));
      q.push_back(p.back() + static_cast<float>(random.normal() * noise));
    }
    const std::size_t target = random.below(vocab);
    const Direct d = direct(p, q, target);
    for (const std::size_t tile :
         {std::size_t{1}, std::size_t{7}, std::size_t{16}, std::size_t{500}, std::size_t{2048}, vocab})
      worst = std::max(worst, error_of(in_tiles(p, q, target, tile), d));
  }
  EXPECT_LT(worst, 1e-6);
  RecordProperty("largest_error_nats", std::to_string(worst * 1e9) + "e-9");
}

TEST(TokenDivergence, StandsHugeLogitsAndAMaximumThatMovesFromTileToTile) {
  std::vector<float> p, q;
  for (int i = 0; i < 100; ++i) {
    p.push_back(static_cast<float>(i * 300 - 9000));
    q.push_back(static_cast<float>(i * 299 - 9500));
  }
  for (const std::size_t tile : {1u, 3u, 64u, 100u}) {
    EXPECT_LT(error_of(in_tiles(p, q, 99, tile), direct(p, q, 99)), 1e-6);
    EXPECT_NEAR(in_tiles(p, q, 3, tile).original_nll(), 28800, 1e-6);
  }
}

TEST(TokenDivergence, OfEqualLogitsIsExactlyZero) {
  Random random(2);
  std::vector<float> p;
  for (int i = 0; i < 1000; ++i) p.push_back(static_cast<float>(random.normal()));
  const TokenDivergence token = in_tiles(p, p, 5, 64);
  EXPECT_EQ(token.kld(), 0);
  EXPECT_EQ(token.original_nll(), token.candidate_nll());
  EXPECT_TRUE(token.same_top());
}

TEST(TokenDivergence, GivesTiesToTheLowerIdInEveryTile) {
  const std::vector<float> p{1, 3, 0, 3, 3}, first{0, 5, 0, 0, 0}, last{0, 0, 0, 0, 5};
  for (const std::size_t tile : {1u, 2u, 5u}) {
    EXPECT_TRUE(in_tiles(p, first, 0, tile).same_top()) << tile;
    EXPECT_FALSE(in_tiles(p, last, 0, tile).same_top()) << tile;
  }
}

TEST(TokenDivergence, IsNotFiniteWhenALogitIsNot) {
  for (const float bad : {INFINITY, -INFINITY, std::nanf("")})
    for (const std::size_t at : {0u, 20u, 39u})
      for (const std::size_t tile : {4u, 40u}) {
        std::vector<float> good(40, 1.0f), p = good;
        p[at] = bad;
        EXPECT_FALSE(std::isfinite(in_tiles(p, good, 1, tile).kld())) << bad << " " << at;
        EXPECT_FALSE(std::isfinite(in_tiles(good, p, 1, tile).kld())) << bad << " " << at;
      }
}

TokenScores random_scores(std::size_t windows, std::size_t per_window) {
  Random random(4);
  TokenScores s{.per_window = per_window, .original_nll = {}, .candidate_nll = {}, .kld = {}, .same_top = {}};
  for (std::size_t i = 0; i < windows * per_window; ++i) {
    s.original_nll.push_back(3 + random.normal());
    s.kld.push_back(random.uniform() * 0.1);
    s.candidate_nll.push_back(s.original_nll.back() + s.kld.back() * random.uniform());
    s.same_top.push_back(random.below(10) > 0);
  }
  return s;
}

TEST(Quality, HoldsTheFiguresOfTheWholeText) {
  const TokenScores s = random_scores(20, 50);
  const Quality q = summarise(s);
  double nll = 0, kld = 0, same = 0;
  for (std::size_t i = 0; i < s.kld.size(); ++i) nll += s.candidate_nll[i], kld += s.kld[i], same += s.same_top[i];
  EXPECT_EQ(q.windows, 20u);
  EXPECT_EQ(q.tokens, 1000u);
  EXPECT_NEAR(q.perplexity.value, std::exp(nll / 1000), 1e-9);
  EXPECT_NEAR(q.mean_kld.value, kld / 1000, 1e-12);
  EXPECT_DOUBLE_EQ(q.same_top.value, same / 1000);
  EXPECT_NEAR(q.perplexity_increase.value, q.perplexity.value / q.original_perplexity.value - 1, 1e-12);
  std::vector<double> sorted = s.kld;
  std::ranges::sort(sorted);
  EXPECT_EQ(q.median_kld.value, sorted[500]);
  EXPECT_EQ(q.kld_99.value, sorted[990]);
}

TEST(Quality, BootstrapIsDeterministicAndNearTheStandardErrorOfTheMean) {
  const TokenScores s = random_scores(40, 25);
  const Quality a = summarise(s), b = summarise(s);
  EXPECT_EQ(a.mean_kld.standard_error, b.mean_kld.standard_error);
  EXPECT_EQ(a.perplexity.standard_error, b.perplexity.standard_error);
  // 1000 independent values, uniform over 0.1.
  EXPECT_NEAR(a.mean_kld.standard_error, 0.1 / std::sqrt(12.0 * 1000), 0.3e-3);
}

TEST(Quality, DrawsTokensWhenThereIsASingleWindow) {
  const Quality q = summarise(random_scores(1, 255));
  EXPECT_EQ(q.windows, 1u);
  EXPECT_NEAR(q.mean_kld.standard_error, 0.1 / std::sqrt(12.0 * 255), 0.5e-3);
}

TEST(Quality, OfScoresThatAreNotFiniteNamesTheWindow) {
  TokenScores s = random_scores(4, 10);
  s.kld[23] = std::nan("");
  try {
    summarise(s);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("token 3 of window 2"), std::string::npos) << error.what();
  }
  EXPECT_THROW(summarise({}), Error);
}

// A mean loss of more than 709 nats: e to that power is no double.
TEST(Quality, OfAPerplexityBeyondEveryNumberIsRefused) {
  TokenScores s = random_scores(4, 10);
  for (double& nll : s.original_nll) nll = 800;
  try {
    summarise(s);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("beyond every number"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace quern
