// A run of seeds after the other, over all vectors: a scan in 32 bits names the seeds that may serve a vector, with a
// margin for what its sums may be off; these are judged in double.
#include "search/seed_search.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <vector>

#include "base/fail.h"
#include "search/seed_tile.h"

namespace quern {
namespace {

// Of the square of a vector: its projection is summed in 32 bits, in 12 products of 3 or 4 sums.
constexpr double kMargin = 1e-5;

// Below, nothing is closer to a vector than zeros: other coefficients are at least 2^-8, and U makes no less than a
// hundred-thousandth of them (its trace is at least 1, and its condition with importance at most 2^12).
constexpr double kLeastSquare = 0x1p-64;

// Nearest integer, ties to even, of what is small enough.
double nearest(double value) {
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52
  return (value + kShift) - kShift;
}

double power_of_two(int exponent) { return std::bit_cast<double>(std::uint64_t(1023 + exponent) << 52); }

// floor(log2 value), ceil(log2 value) of a positive number.
int floor_log2(double value) { return static_cast<int>(std::bit_cast<std::uint64_t>(value) >> 52) - 1023; }
int ceil_log2(double value) {
  const bool is_power = std::bit_cast<std::uint64_t>(value) << 12 == 0;
  return floor_log2(value) + !is_power;
}

int exponent_of(SeedExponentRule rule, double largest) {
  const int exponent = rule == SeedExponentRule::kRange ? ceil_log2(largest / 7.5) : floor_log2(largest);
  return std::clamp(exponent, kLeastSeedExponent, kMostSeedExponent);
}

template <std::size_t length, std::size_t coefficients>
class Search {
 public:
  using Vector = std::array<double, length>;

  Search(const SeedFormat& format, const SeedScan& scan, std::span<const double> vectors,
         std::span<const double> importance, std::span<SeedVector> found)
      : format_(format), scan_(scan), found_(found), vectors_(found.size()) {
    importance_.fill(1);
    std::ranges::copy(importance, importance_.begin());
    for (std::size_t c = 0; c < length; ++c) roots_[c] = std::sqrt(importance_[c]);
    const std::size_t groups = (found.size() + scan.vectors - 1) / scan.vectors;
    values_.resize(groups * scan.vectors * length);
    least_.resize(groups * scan.vectors, std::numeric_limits<float>::infinity());
    for (std::size_t v = 0; v < found.size(); ++v) start(v, &vectors[v * length]);
  }

  void run() {
    const auto tile = std::make_unique<SeedTile<length, coefficients>>();
    constexpr std::size_t kTile = SeedTile<length, coefficients>::kTile;
    for (std::size_t first = 0; first < kSeeds; first += kTile) {
      tile->make(first, roots_, format_.most_condition);
      for (std::size_t group = 0; group < found_.size(); group += scan_.vectors)
        scan_group(*tile, first, std::min(kTile, kSeeds - first), group);
    }
  }

 private:
  struct State {
    Vector wanted, weighed;        // w, D w
    double square = 0, least = 0;  // w D w, the error so far
    double scale = 1;              // to a largest number of the root of D w from 0.5 to 1
  };

  void start(std::size_t v, const double* wanted) {
    State& state = vectors_[v];
    double largest = 0;
    for (std::size_t c = 0; c < length; ++c) {
      state.wanted[c] = wanted[c];
      state.weighed[c] = importance_[c] * wanted[c];
      state.square += state.weighed[c] * wanted[c];
      largest = std::max(largest, std::abs(roots_[c] * wanted[c]));
    }
    found_[v] = {};
    state.least = state.square;
    if (state.square < kLeastSquare) return;
    state.scale = power_of_two(std::clamp(-1 - floor_log2(largest), -1000, 1000));
    float* values = &values_[v / scan_.vectors * scan_.vectors * length + v % scan_.vectors];
    for (std::size_t c = 0; c < length; ++c)
      values[c * scan_.vectors] = static_cast<float>(roots_[c] * wanted[c] * state.scale);
    least_[v] = bound(state);
  }

  // What a projection is at least if it leaves no more than the least error so far.
  static float bound(const State& state) {
    return static_cast<float>((state.square * (1 - kMargin) - state.least) * state.scale * state.scale);
  }

  void scan_group(const SeedTile<length, coefficients>& tile, std::size_t first, std::size_t count, std::size_t group) {
    const float* values = &values_[group * length];
    std::uint32_t hits = 0;
    for (std::size_t k = 0;; ++k) {
      k = scan_.first_hit(tile.basis(), k, count, values, &least_[group], hits);
      if (k == count) return;
      if (!tile.is_usable(k)) continue;
      for (; hits != 0; hits &= hits - 1)
        judge(tile, k, seed_states().seed(first + k), group + static_cast<std::size_t>(std::countr_zero(hits)));
    }
  }

  void judge(const SeedTile<length, coefficients>& tile, std::size_t k, std::uint16_t seed, std::size_t v) {
    State& state = vectors_[v];
    const std::array<double, coefficients> t = tile.solve(k, state.weighed.data());
    double largest = 0;
    for (const double value : t) largest = std::max(largest, std::abs(value));
    if (largest * power_of_two(-kLeastSeedExponent) < 0.5) return;  // zeros, which were there first
    const int exponent = exponent_of(format_.rule, largest);
    const double to_codes = power_of_two(-exponent), step = power_of_two(exponent);
    std::array<double, coefficients> codes;
    for (std::size_t p = 0; p < coefficients; ++p)
      codes[p] = nearest(std::clamp(t[p] * to_codes, double{kLeastCoefficient}, double{kMostCoefficient}));
    const double* u = tile.matrix(k);
    double error = 0;
    for (std::size_t c = 0; c < length; ++c) {
      double decoded = 0;
      for (std::size_t p = 0; p < coefficients; ++p) decoded += u[c * coefficients + p] * codes[p];
      const double off = state.wanted[c] - decoded * step;
      error += importance_[c] * (off * off);
    }
    SeedVector& best = found_[v];
    if (error > state.least || (error == state.least && seed >= best.seed)) return;
    best.seed = seed;
    best.exponent = static_cast<std::int8_t>(exponent);
    for (std::size_t p = 0; p < coefficients; ++p) best.coefficients[p] = static_cast<std::int8_t>(codes[p]);
    state.least = error;
    least_[v] = bound(state);
  }

  const SeedFormat& format_;
  const SeedScan& scan_;
  std::span<SeedVector> found_;
  Vector importance_, roots_;
  std::vector<State> vectors_;
  std::vector<float> values_, least_;  // as SeedScan wants them
};

}  // namespace

void search_seeds(const SeedFormat& format, const SeedScan& scan, std::span<const double> vectors,
                  std::span<const double> importance, std::span<SeedVector> found) {
  ensure(scan.length == format.length && vectors.size() == found.size() * format.length,
         "{} numbers for {} vectors of {}", vectors.size(), found.size(), format.length);
  if (found.empty()) return;
  if (format.length == 8) return Search<8, 3>(format, scan, vectors, importance, found).run();
  ensure(format.length == 12, "vectors of {}", format.length);
  Search<12, 4>(format, scan, vectors, importance, found).run();
}

}  // namespace quern
