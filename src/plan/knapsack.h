// One choice for every item, the least loss within a budget of bytes: the multiple-choice knapsack, solved exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace quern {

struct KnapsackChoice {
  std::uint64_t bytes = 0;
  double loss = 0;  // finite, >= 0
};

using KnapsackItem = std::vector<KnapsackChoice>;  // at least one choice

struct KnapsackSelection {
  std::vector<std::size_t> chosen;  // of each item, an index into its choices
  std::uint64_t bytes = 0;
  double loss = 0;
};

// The selection with the least sum of losses (added in the order of the items) among those of at most `budget` bytes.
// Equal losses: the fewer bytes. Nothing when even the smallest choices exceed the budget.
std::optional<KnapsackSelection> solve_knapsack(std::span<const KnapsackItem> items, std::uint64_t budget);

// What bytes buy: from the smallest selection to the one of least loss along the steepest steps, rising in bytes. Each
// has the least loss among those of its bytes; between two of them lie selections that are worse than the line.
std::vector<KnapsackChoice> knapsack_curve(std::span<const KnapsackItem> items);

}  // namespace quern
