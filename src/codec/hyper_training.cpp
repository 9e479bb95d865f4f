// Every sum is one of integers, and the farthest pair the largest in an order of all pairs: the same in any order.
#include "codec/hyper_training.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "codec/exact_sums.h"

namespace quern {
namespace {

using Pair = HyperPlace::Pair;

// Calls use(x, y) for the pairs of all rows whose weights are finite, y being null at the end of odd rows.
template <typename Use>
void for_each_pair(MatrixView rows, const Use& use) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const auto row = rows.row(i);
    for (std::size_t k = 0; k < row.size(); k += 2) {
      const float* second = k + 1 < row.size() ? &row[k + 1] : nullptr;
      if (std::isfinite(row[k]) && (!second || std::isfinite(*second))) use(row[k], second);
    }
  }
}

// Third pass: the encoder's own errors and, for an entropy-coded form, its symbols, with each number of classes.
class Judging final : public TensorTraining {
 public:
  Judging(const HyperSetting& setting, HyperCoding coding, const HyperPlace& place, double enough)
      : coding_(coding), enough_(enough) {
    for (std::uint32_t m = 1; m <= setting.most_classes; ++m) {
      HyperPlace with = place;
      with.classes = m;
      candidates_.push_back({HyperGrid(setting, with), 0, {}, {}});
    }
    const double most = 2 * (place.far() + double{place.side});
    if (most > 0) units_ = std::ldexp(1.0, 30 - std::ilogb(most));
  }

  void observe(MatrixView rows, std::span<const float>) override {
    for (Candidate& candidate : candidates_) observe(rows, candidate);
    for_each_pair(rows, [&](float, const float* y) { weights_ += y ? 2 : 1; });
  }

  void merge(const TensorTraining& other) override {
    const Judging& theirs = static_cast<const Judging&>(other);
    for (std::size_t m = 0; m < candidates_.size(); ++m) {
      candidates_[m].error += theirs.candidates_[m].error;
      for (std::size_t s = 0; s < 256; ++s) {
        candidates_[m].rows[s] += theirs.candidates_[m].rows[s];
        candidates_[m].columns[s] += theirs.candidates_[m].columns[s];
      }
    }
    weights_ += theirs.weights_;
  }

  std::shared_ptr<const TensorSide> finish() const override {
    const Candidate& best = chosen();
    std::optional<HyperTables> tables;
    if (coding_ == HyperCoding::kEntropy)
      tables.emplace(FrequencyTable::from_counts(best.rows), FrequencyTable::from_counts(best.columns));
    return std::make_shared<const HyperSide>(best.grid, std::move(tables));
  }

 private:
  struct Candidate {
    HyperGrid grid;
    std::uint64_t error;  // sum of magnitudes, in units
    SymbolCounts rows, columns;
  };

  void observe(MatrixView rows, Candidate& candidate) const {
    const HyperGrid& grid = candidate.grid;
    for_each_pair(rows, [&](float x, const float* y) {
      const std::uint32_t index = grid.nearest(x, y ? *y : grid.padding());
      const Pair& value = grid.value(index);
      candidate.error += in_units(double{x} - double{value[0]});
      if (y) candidate.error += in_units(double{*y} - double{value[1]});
      if (coding_ == HyperCoding::kPlain) return;
      const HyperSymbols symbols = symbols_of(grid, index);
      ++candidate.rows[symbols.row];
      ++candidate.columns[symbols.column];
    });
  }

  // Below 2^31: an error is less than `most`.
  std::uint64_t in_units(double error) const { return static_cast<std::uint64_t>(std::abs(error) * units_); }

  // The first that is good enough, else the best.
  const Candidate& chosen() const {
    const double enough = enough_ * units_ * static_cast<double>(weights_);
    for (const Candidate& candidate : candidates_)
      if (static_cast<double>(candidate.error) <= enough) return candidate;
    return *std::ranges::min_element(candidates_, {}, &Candidate::error);
  }

  HyperCoding coding_;
  double enough_, units_ = 0;
  std::uint64_t weights_ = 0;
  std::vector<Candidate> candidates_;
};

// Second pass.
class Reaching final : public TensorTraining {
 public:
  Reaching(const HyperSetting& setting, HyperCoding coding, const HyperPlace& place, double enough)
      : setting_(setting), coding_(coding), place_(place), enough_(enough) {
    place_.farthest = place_.centre;
  }

  void observe(MatrixView rows, std::span<const float>) override {
    for_each_pair(rows, [&](float x, const float* y) { reach({x, y ? *y : place_.centre[1]}); });
  }
  void merge(const TensorTraining& other) override { reach(static_cast<const Reaching&>(other).place_.farthest); }
  std::unique_ptr<TensorTraining> next_pass() const override {
    return std::make_unique<Judging>(setting_, coding_, place_, enough_);
  }
  std::shared_ptr<const TensorSide> finish() const override { return nullptr; }

 private:
  void reach(Pair pair) {
    for (float& value : pair) value += 0.0f;  // -0 to 0: equals are stored alike
    const double x = double{pair[0]} - double{place_.centre[0]}, y = double{pair[1]} - double{place_.centre[1]};
    const std::tuple reached{x * x + y * y, pair};
    if (reached <= farthest_) return;
    farthest_ = reached;
    place_.farthest = pair;
  }

  const HyperSetting& setting_;
  HyperCoding coding_;
  HyperPlace place_;
  double enough_;
  std::tuple<double, Pair> farthest_{0, {}};
};

// First pass.
class Centring final : public TensorTraining {
 public:
  Centring(const HyperSetting& setting, HyperCoding coding) : setting_(setting), coding_(coding) {}

  void observe(MatrixView rows, std::span<const float>) override {
    for_each_pair(rows, [&](float x, const float* y) {
      sums_[0].add(x);
      if (y) sums_[1].add(*y);
    });
  }
  void merge(const TensorTraining& other) override {
    for (std::size_t i = 0; i < 2; ++i) sums_[i].merge(static_cast<const Centring&>(other).sums_[i]);
  }
  std::unique_ptr<TensorTraining> next_pass() const override {
    HyperPlace place;
    for (std::size_t i = 0; i < 2; ++i) place.centre[i] = static_cast<float>(sums_[i].mean());
    const double unit = setting_.side_in == HyperSetting::Side::kSigmas ? sigma(place) : 1;
    place.side = static_cast<float>(double{setting_.side} * unit);
    return std::make_unique<Reaching>(setting_, coding_, place, double{setting_.enough} * unit);
  }
  std::shared_ptr<const TensorSide> finish() const override { return nullptr; }

 private:
  double sigma(const HyperPlace& place) const {
    double squares = 0, count = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto weights = static_cast<double>(sums_[i].count());
      squares += weights * sums_[i].variance(double{place.centre[i]});
      count += weights;
    }
    return count > 0 ? std::sqrt(squares / count) : 0;
  }

  const HyperSetting& setting_;
  HyperCoding coding_;
  std::array<ExactSums, 2> sums_;
};

}  // namespace

std::unique_ptr<TensorTraining> train_hyper(const HyperSetting& setting, HyperCoding coding) {
  return std::make_unique<Centring>(setting, coding);
}

}  // namespace quern
