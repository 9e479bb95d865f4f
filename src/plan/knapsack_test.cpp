// Against every selection of small problems, and large ones against the bound of divisible choices.
#include "plan/knapsack.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

std::vector<KnapsackItem> random_items(Random& random, std::size_t items, std::size_t choices, std::uint64_t bytes) {
  std::vector<KnapsackItem> made(items);
  for (KnapsackItem& item : made) {
    const std::size_t count = 1 + random.below(choices);
    for (std::size_t c = 0; c < count; ++c) item.push_back({1 + random.below(bytes), 0.1 * double(random.below(50))});
  }
  return made;
}

// Every selection, the best of those within the budget.
std::optional<KnapsackSelection> exhaustive(const std::vector<KnapsackItem>& items, std::uint64_t budget) {
  std::optional<KnapsackSelection> best;
  std::vector<std::size_t> chosen(items.size(), 0);
  for (;;) {
    KnapsackSelection now{chosen, 0, 0};
    for (std::size_t i = 0; i < items.size(); ++i) {
      now.bytes += items[i][chosen[i]].bytes;
      now.loss += items[i][chosen[i]].loss;
    }
    const bool better = !best || now.loss < best->loss || (now.loss == best->loss && now.bytes < best->bytes);
    if (now.bytes <= budget && better) best = now;
    std::size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].size()) chosen[i++] = 0;
    if (i == items.size()) return best;
  }
}

TEST(Knapsack, IsAsGoodAsEverySelectionOfSmallProblems) {
  Random random(4);
  std::size_t solved = 0;
  for (int round = 0; round < 300; ++round) {
    const auto items = random_items(random, 1 + random.below(6), 5, 40);
    const std::uint64_t budget = random.below(items.size() * 40);
    const auto expected = exhaustive(items, budget);
    const auto got = solve_knapsack(items, budget);
    ASSERT_EQ(got.has_value(), expected.has_value()) << "round " << round;
    if (!got) continue;
    ++solved;
    EXPECT_NEAR(got->loss, expected->loss, 1e-12) << "round " << round;
    EXPECT_LE(got->bytes, budget);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < items.size(); ++i) bytes += items[i][got->chosen[i]].bytes;
    EXPECT_EQ(bytes, got->bytes);
  }
  EXPECT_GT(solved, 150u);
}

TEST(Knapsack, StandsRoundingOfManyItemsThatHaveOneChoice) {
  Random random(9);
  for (int round = 0; round < 50; ++round) {
    std::vector<KnapsackItem> items;
    for (int i = 0; i < 300; ++i) items.push_back({{10, std::exp(random.normal())}});
    const auto selection = solve_knapsack(items, 3000);
    ASSERT_TRUE(selection) << "round " << round;
    EXPECT_EQ(selection->bytes, 3000u);
  }
}

TEST(KnapsackCurve, HasTheBestSelectionOfEachOfItsSizesAndBothEnds) {
  Random random(8);
  for (int round = 0; round < 100; ++round) {
    const auto items = random_items(random, 1 + random.below(6), 5, 40);
    const std::vector<KnapsackChoice> curve = knapsack_curve(items);
    ASSERT_FALSE(curve.empty());
    for (const KnapsackChoice& point : curve)
      EXPECT_NEAR(exhaustive(items, point.bytes)->loss, point.loss, 1e-12) << "round " << round;
    EXPECT_FALSE(exhaustive(items, curve.front().bytes - 1));
    EXPECT_NEAR(exhaustive(items, 1000)->loss, curve.back().loss, 1e-12);
    for (std::size_t i = 1; i < curve.size(); ++i) EXPECT_LT(curve[i - 1].bytes, curve[i].bytes);
  }
}

// Tensors as a model has them: a loss that falls by four a bit, sizes that share few factors.
std::vector<KnapsackItem> like_tensors(Random& random, std::size_t count) {
  std::vector<KnapsackItem> items(count);
  for (KnapsackItem& item : items) {
    const std::uint64_t weights = 256 * (1 + random.below(40000));
    const double harm = random.uniform() * random.uniform() * double(weights);
    for (const std::uint64_t bytes_of_256 : {84, 110, 136, 144, 176, 210, 272})
      item.push_back({weights / 256 * bytes_of_256, harm * std::exp2(-2.0 * double(bytes_of_256) / 32)});
  }
  return items;
}

TEST(Knapsack, ALargeModelFillsItsBudget) {
  Random random(5);
  const auto items = like_tensors(random, 700);
  std::uint64_t least = 0, most = 0;
  for (const KnapsackItem& item : items) least += item.front().bytes, most += item.back().bytes;
  double last = 1e300;
  for (const double share : {0.0, 0.1, 0.3, 0.6, 0.9, 1.0}) {
    const std::uint64_t budget = least + static_cast<std::uint64_t>(share * static_cast<double>(most - least));
    const auto got = solve_knapsack(items, budget);
    ASSERT_TRUE(got);
    EXPECT_LE(got->bytes, budget);
    EXPECT_GT(got->bytes, budget - budget / 10000);
    EXPECT_LT(got->loss, last);
    last = got->loss;
  }
  EXPECT_FALSE(solve_knapsack(items, least - 1));
}

TEST(Knapsack, CurveEndsAtExactlyNoLoss) {
  Random random(9);
  std::vector<KnapsackItem> items = like_tensors(random, 100);
  for (KnapsackItem& item : items) item.push_back({2 * item.back().bytes, 0.0});
  const std::vector<KnapsackChoice> curve = knapsack_curve(items);
  EXPECT_EQ(curve.back().loss, 0.0);
  for (const KnapsackChoice& end : {curve.front(), curve[curve.size() / 2]})
    EXPECT_EQ(solve_knapsack(items, end.bytes)->loss, end.loss);
}

TEST(Knapsack, TheSameProblemHasTheSameAnswer) {
  std::vector<KnapsackItem> items(20, {{10, 4.0}, {20, 1.0}, {20, 1.0}, {40, 0.0}});
  const auto once = solve_knapsack(items, 450), again = solve_knapsack(items, 450);
  ASSERT_TRUE(once && again);
  EXPECT_EQ(once->chosen, again->chosen);
  for (const std::size_t choice : once->chosen) EXPECT_NE(choice, 2u);  // of equals the first
}

TEST(Knapsack, NoItemsNeedNoBytes) { EXPECT_EQ(solve_knapsack({}, 0)->bytes, 0u); }

TEST(Knapsack, RefusesWhatIsNoProblem) {
  EXPECT_THROW(solve_knapsack(std::vector<KnapsackItem>{{}}, 10), Error);
  EXPECT_THROW(solve_knapsack(std::vector<KnapsackItem>{{{1, std::nan("")}}}, 10), Error);
}

}  // namespace
}  // namespace quern
