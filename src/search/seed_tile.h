// What a run of seeds needs to be judged: a basis of what each spans, and its pseudo-inverse.
#pragma once

#include <array>
#include <cmath>

#include "search/lanes.h"
#include "search/seed_basis.h"
#include "search/seed_scan.h"

namespace quern {

using Doubles = double __attribute__((vector_size(32)));
inline constexpr std::size_t kDoubles = 4;

inline Doubles load_doubles(const double* from) {
  Doubles some;
  std::memcpy(&some, from, sizeof some);
  return some;
}

inline Doubles root(Doubles v) {
#if defined(QUERN_LANES_AVX2)
  return _mm256_sqrt_pd(v);
#else
  for (std::size_t lane = 0; lane < kDoubles; ++lane) v[lane] = std::sqrt(v[lane]);
  return v;
#endif
}

// A positive definite matrix of four seeds, taken apart: G = L L^T.
template <std::size_t size>
struct Factors {
  Doubles inverse_root[size][size];  // L^-1, lower
  Doubles inverse[size][size];       // G^-1, lower
  Doubles condition;                 // tr(G) tr(G^-1)
};

template <std::size_t size>
inline Factors<size> factors(const Doubles (&g)[size][size]) {
  Factors<size> f;
  Doubles lower[size][size], reciprocal[size];
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      Doubles rest = g[i][j];
      for (std::size_t k = 0; k < j; ++k) rest -= lower[i][k] * lower[j][k];
      lower[i][j] = i == j ? root(rest) : rest * reciprocal[j];
    }
    reciprocal[i] = 1.0 / lower[i][i];
    f.inverse_root[i][i] = reciprocal[i];
    for (std::size_t j = 0; j < i; ++j) {
      Doubles sum = lower[i][j] * f.inverse_root[j][j];
      for (std::size_t k = j + 1; k < i; ++k) sum += lower[i][k] * f.inverse_root[k][j];
      f.inverse_root[i][j] = -reciprocal[i] * sum;
    }
  }
  Doubles trace{}, trace_of_inverse{};
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      f.inverse[i][j] = f.inverse_root[i][i] * f.inverse_root[i][j];
      for (std::size_t k = i + 1; k < size; ++k) f.inverse[i][j] += f.inverse_root[k][i] * f.inverse_root[k][j];
    }
    trace += g[i][i];
    trace_of_inverse += f.inverse[i][i];
  }
  f.condition = trace * trace_of_inverse;
  return f;
}

template <std::size_t length, std::size_t coefficients>
class SeedTile {
 public:
  static constexpr std::size_t kTile = 128;  // seeds: their tables stay in the first cache

  // Of the seeds at positions `first` and behind it, where there are so many. `roots`: of the importance of each
  // column.
  void make(std::size_t first, const std::array<double, length>& roots, double most_condition) {
    const std::int16_t* states = seed_states().following(first);
    for (std::size_t k = 0; k < values_.size(); ++k) values_[k] = states[k] * kSeedUnit;
    for (std::size_t at = 0; at < kTile; at += kDoubles) make_four(at, roots, most_condition * most_condition);
  }

  const float* basis() const { return basis_[0][0]; }  // as SeedScan wants it
  bool is_usable(std::size_t k) const { return usable_[k] != 0; }
  // U of seed k, row by row.
  const double* matrix(std::size_t k) const { return &values_[k]; }
  // t = (U^T D U)^-1 U^T D w, from D w.
  std::array<double, coefficients> solve(std::size_t k, const double* weighed) const {
    const double* u = matrix(k);
    std::array<double, coefficients> projected{}, t{};
    for (std::size_t c = 0; c < length; ++c)
      for (std::size_t p = 0; p < coefficients; ++p) projected[p] += u[c * coefficients + p] * weighed[c];
    const auto& inverse = inverse_[k / kDoubles];
    for (std::size_t i = 0; i < coefficients; ++i)
      for (std::size_t j = 0; j < coefficients; ++j)
        t[i] += (j <= i ? inverse[i][j] : inverse[j][i])[k % kDoubles] * projected[j];
    return t;
  }

 private:
  void make_four(std::size_t at, const std::array<double, length>& roots, double most_condition) {
    Doubles u[length][coefficients], g[coefficients][coefficients]{};
    for (std::size_t c = 0; c < length; ++c)
      for (std::size_t p = 0; p < coefficients; ++p)
        u[c][p] = load_doubles(&values_[at + c * coefficients + p]) * roots[c];
    for (std::size_t c = 0; c < length; ++c)
      for (std::size_t i = 0; i < coefficients; ++i)
        for (std::size_t j = 0; j <= i; ++j) g[i][j] += u[c][i] * u[c][j];
    const Factors<coefficients> f = factors(g);
    const auto usable = f.condition <= most_condition;  // no NaN is
    for (std::size_t i = 0; i < coefficients; ++i)
      for (std::size_t j = 0; j <= i; ++j) inverse_[at / kDoubles][i][j] = f.inverse[i][j];
    for (std::size_t lane = 0; lane < kDoubles; ++lane) usable_[at + lane] = usable[lane] != 0;
    auto& basis = basis_[at / kSeedGroup];
    for (std::size_t c = 0; c < length; ++c) {
      for (std::size_t i = 0; i < coefficients; ++i) {
        Doubles q = u[c][0] * f.inverse_root[i][0];
        for (std::size_t j = 1; j <= i; ++j) q += u[c][j] * f.inverse_root[i][j];
        q = usable ? q : Doubles{};
        for (std::size_t lane = 0; lane < kDoubles; ++lane)
          basis[c * coefficients + i][at % kSeedGroup + lane] = static_cast<float>(q[lane]);
      }
    }
  }

  std::array<double, kTile + length * coefficients> values_;  // of U, from the first row of the first seed on
  float basis_[kTile / kSeedGroup][length * coefficients][kSeedGroup];
  Doubles inverse_[kTile / kDoubles][coefficients][coefficients];
  std::array<std::uint8_t, kTile> usable_;
};

}  // namespace quern
