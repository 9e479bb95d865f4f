// What a user is offered for a name that is not known.
#include "base/names.h"

#include <gtest/gtest.h>

#include <vector>

namespace quern {
namespace {

const std::vector<std::string> kKnown = {"alpha", "alphas", "beta", "gamma", "delta"};

TEST(NearestNames, TheNearestComeFirst) {
  EXPECT_EQ(nearest_names("alphs", kKnown), "alpha, alphas");
  EXPECT_EQ(nearest_names("beta", kKnown), "beta, delta");
}

TEST(NearestNames, AtMostThree) {
  const std::vector<std::string> known = {"a1", "a2", "a3", "a4"};
  EXPECT_EQ(nearest_names("a5", known), "a1, a2, a3");
}

TEST(NearestNames, AllWhenNoneIsNear) {
  EXPECT_EQ(nearest_names("completely else", kKnown), "alpha, alphas, beta, gamma, delta");
  EXPECT_EQ(nearest_names("x", {}), "");
}

}  // namespace
}  // namespace quern
