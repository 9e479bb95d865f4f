// What a user is offered for a name that is not known.
#include "base/names.h"

#include <gtest/gtest.h>

#include <vector>

namespace quern {
namespace {

const std::vector<std::string> kKnown = {"alpha", "alphas", "beta", "gamma", "delta"};

TEST(NearestNames, TheNearestComeFirst) {
  EXPECT_EQ(nearest_names("alphs", kKnown), "alpha, alphas");
  EXPECT_EQ(nearest_names("betta", kKnown), "beta, delta");
}

TEST(NearestNames, SignsAndCaseCountLast) {
  const std::vector<std::string> schemes = {"q4_0", "q4_1", "q4_k_s", "q4_k_m", "q5_k_m"};
  EXPECT_EQ(nearest_names("q4km", schemes), "q4_k_m");
  EXPECT_EQ(nearest_names("Q4_K_M", schemes), "q4_k_m");
  EXPECT_EQ(nearest_names("q4-k-m", schemes), "q4_k_m");
  EXPECT_EQ(nearest_names("q4kx", schemes), "q4_k_s, q4_k_m, q4_0");
}

TEST(RowNamed, IsFoundInAnyCase) {
  struct Row {
    const char* name;
  };
  static constexpr Row kQ4{"q4_k_m"}, kSimple{"simple"};
  const std::vector<const Row*> table = {&kQ4, &kSimple};
  EXPECT_EQ(row_named(table, "Q4_K_M"), &kQ4);
  EXPECT_EQ(row_named(table, "Simple"), &kSimple);
  EXPECT_EQ(row_named(table, "q4km"), nullptr);
  EXPECT_EQ(row_named(table, ""), nullptr);
}

TEST(NearestNames, NoneIsNear) { EXPECT_TRUE(near_names("completely else", kKnown).empty()); }

TEST(NearestNames, AtMostThree) {
  const std::vector<std::string> known = {"a1", "a2", "a3", "a4"};
  EXPECT_EQ(nearest_names("a5", known), "a1, a2, a3");
}

TEST(NearestNames, AllWhenNoneIsNear) {
  EXPECT_EQ(nearest_names("completely else", kKnown), "alpha, alphas, beta, gamma, delta");
  EXPECT_EQ(nearest_names("x", {}), "");
  std::vector<std::string> many;
  for (char c = 'a'; c <= 'm'; ++c) many.push_back(std::string(2, c) + "_" + std::string(c - 'a' + 2, c));
  EXPECT_EQ(nearest_names("zzzzzz", many), "aa_aa, bb_bbb, cc_cccc") << "the nearest of many, not all of them";
}

}  // namespace
}  // namespace quern
