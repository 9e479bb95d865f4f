// Partial selections that no other one beats in bytes and loss, item by item (dynamic programming by dominance),
// without those that cannot end below a known selection: the linear relaxation of the items to come bounds them from
// below. Its gap is less than one choice of one item, so few partial selections survive. Sinha and Zoltners (1979),
// "The multiple-choice knapsack problem"; Pisinger (1995), "A minimal algorithm for the multiple-choice knapsack
// problem".
#include "plan/knapsack.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
constexpr double kImpossible = std::numeric_limits<double>::infinity();

// From one choice of the lower convex hull to the next larger one.
struct Step {
  std::size_t item = 0, choice = 0;
  std::uint64_t bytes = 0;
  double gain = 0;
  double slope() const { return gain / static_cast<double>(bytes); }
};

std::size_t smallest(const KnapsackItem& item) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < item.size(); ++i)
    if (item[i].bytes < item[best].bytes || (item[i].bytes == item[best].bytes && item[i].loss < item[best].loss))
      best = i;
  return best;
}

// The hull from the smallest choice on: every step is the steepest from where it starts.
void add_steps(const KnapsackItem& item, std::size_t index, std::vector<Step>& steps) {
  for (std::size_t at = smallest(item);;) {
    Step best;
    for (std::size_t c = 0; c < item.size(); ++c) {
      if (item[c].bytes <= item[at].bytes || item[c].loss >= item[at].loss) continue;
      const Step step{index, c, item[c].bytes - item[at].bytes, item[at].loss - item[c].loss};
      if (best.bytes == 0 || step.slope() > best.slope() || (step.slope() == best.slope() && step.bytes > best.bytes))
        best = step;
    }
    if (best.bytes == 0) return;
    steps.push_back(best);
    at = best.choice;
  }
}

// Least loss of some items as a function of bytes, were choices divisible.
class Relaxation {
 public:
  Relaxation(std::span<const KnapsackItem> items, std::size_t first, const std::vector<Step>& by_slope) {
    items_ = items.size() - first;
    for (const KnapsackItem& item : items.subspan(first)) {
      bytes_ += item[smallest(item)].bytes;
      loss_ += item[smallest(item)].loss;
    }
    ends_.push_back({bytes_, loss_});
    for (const Step& step : by_slope)
      if (step.item >= first) ends_.push_back({ends_.back().bytes + step.bytes, ends_.back().loss - step.gain});
  }

  // Bounds are differences of sums over items and steps: by how much rounding may lift one above the loss that it
  // bounds.
  double rounding() const {
    return 2 * static_cast<double>(items_ + ends_.size()) * std::numeric_limits<double>::epsilon() * loss_;
  }

  double at(std::uint64_t budget) const {
    if (budget < bytes_) return kImpossible;
    const auto next = std::upper_bound(ends_.begin(), ends_.end(), budget,
                                       [](std::uint64_t b, const KnapsackChoice& end) { return b < end.bytes; });
    const KnapsackChoice& from = *std::prev(next);
    if (next == ends_.end()) return from.loss;
    const double share = static_cast<double>(budget - from.bytes) / static_cast<double>(next->bytes - from.bytes);
    return from.loss - share * (from.loss - next->loss);
  }

 private:
  std::size_t items_ = 0;
  std::uint64_t bytes_ = 0;
  double loss_ = 0;
  std::vector<KnapsackChoice> ends_;
};

// A known selection: the smallest choices, raised along the steepest steps that still fit.
double loss_of_greedy(std::span<const KnapsackItem> items, const std::vector<Step>& by_slope, std::uint64_t budget) {
  std::vector<std::size_t> chosen;
  std::uint64_t bytes = 0;
  for (const KnapsackItem& item : items) {
    chosen.push_back(smallest(item));
    bytes += item[chosen.back()].bytes;
  }
  for (const Step& step : by_slope) {
    const KnapsackItem& item = items[step.item];
    const std::uint64_t more = item[step.choice].bytes - item[chosen[step.item]].bytes;
    if (bytes + more > budget) continue;
    chosen[step.item] = step.choice;
    bytes += more;
  }
  double loss = 0;
  for (std::size_t i = 0; i < items.size(); ++i) loss += items[i][chosen[i]].loss;
  return loss;
}

std::vector<Step> steps_by_slope(std::span<const KnapsackItem> items) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ensure(!items[i].empty(), "an item without a choice");
    for (const KnapsackChoice& choice : items[i])
      ensure(std::isfinite(choice.loss) && choice.loss >= 0, "a choice with a loss of {}", choice.loss);
    add_steps(items[i], i, steps);
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
    if (a.slope() != b.slope()) return a.slope() > b.slope();
    return std::tie(a.item, a.bytes, a.choice) < std::tie(b.item, b.bytes, b.choice);
  });
  return steps;
}

struct Partial {
  std::uint64_t bytes = 0;
  double loss = 0;
  std::size_t before = kNone, choice = 0;  // the partial selection of the items before, and what was added to it
};

// Those that no other beats, by bytes.
std::vector<Partial> undominated(std::vector<Partial> all) {
  std::sort(all.begin(), all.end(), [](const Partial& a, const Partial& b) {
    return std::tie(a.bytes, a.loss, a.before, a.choice) < std::tie(b.bytes, b.loss, b.before, b.choice);
  });
  std::vector<Partial> kept;
  for (const Partial& partial : all)
    if (kept.empty() || partial.loss < kept.back().loss) kept.push_back(partial);
  return kept;
}

KnapsackSelection trace(const std::vector<std::vector<Partial>>& layers) {
  const Partial& best = layers.back().back();  // the largest and so the one of least loss
  KnapsackSelection selection{std::vector<std::size_t>(layers.size() - 1), best.bytes, best.loss};
  std::size_t at = layers.back().size() - 1;
  for (std::size_t i = layers.size() - 1; i > 0; --i) {
    selection.chosen[i - 1] = layers[i][at].choice;
    at = layers[i][at].before;
  }
  return selection;
}

}  // namespace

std::optional<KnapsackSelection> solve_knapsack(std::span<const KnapsackItem> items, std::uint64_t budget) {
  const std::vector<Step> steps = steps_by_slope(items);
  const Relaxation all(items, 0, steps);
  if (all.at(budget) == kImpossible) return std::nullopt;
  const double most = loss_of_greedy(items, steps, budget) + all.rounding();

  std::vector<std::vector<Partial>> layers{{Partial{}}};
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Relaxation rest(items, i + 1, steps);
    std::vector<Partial> next;
    for (std::size_t p = 0; p < layers[i].size(); ++p)
      for (std::size_t c = 0; c < items[i].size(); ++c) {
        const Partial& from = layers[i][p];
        const Partial to{from.bytes + items[i][c].bytes, from.loss + items[i][c].loss, p, c};
        if (to.bytes <= budget && to.loss + rest.at(budget - to.bytes) <= most) next.push_back(to);
      }
    layers.push_back(undominated(std::move(next)));
    ensure(!layers.back().empty(), "the bound of a knapsack cut off its best selection at item {}", i);
  }
  return trace(layers);
}

std::vector<KnapsackChoice> knapsack_curve(std::span<const KnapsackItem> items) {
  const std::vector<Step> steps = steps_by_slope(items);
  std::vector<double> losses;  // of what is chosen of each item
  std::uint64_t bytes = 0;
  for (const KnapsackItem& item : items) {
    losses.push_back(item[smallest(item)].loss);
    bytes += item[smallest(item)].bytes;
  }
  // Summed anew each time: differences of sums would leave a remainder where nothing is lost.
  const auto loss = [&] { return std::accumulate(losses.begin(), losses.end(), 0.0); };
  std::vector<KnapsackChoice> curve{{bytes, loss()}};
  for (const Step& step : steps) {
    losses[step.item] = items[step.item][step.choice].loss;
    curve.push_back({curve.back().bytes + step.bytes, loss()});
  }
  return curve;
}

}  // namespace quern
