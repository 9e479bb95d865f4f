// The search against one that tries every seed with other arithmetic, and its error on Gaussian weights against what
// other implementations measured.
#include "search/seed_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace quern {
namespace {

constexpr SeedFormat kEight{8, 3, SeedExponentRule::kRange, 100}, kTwelve{12, 4, SeedExponentRule::kRange, 100},
    kPrinted{8, 3, SeedExponentRule::kPrinted, 100}, kEightWeighed{8, 3, SeedExponentRule::kRange, 3200};

using Numbers = std::vector<double>;

Numbers gaussian(std::size_t count, double sigma, std::uint64_t seed) {
  Random random(seed);
  Numbers out(count);
  for (double& value : out) value = static_cast<float>(sigma * random.normal());
  return out;
}

using Small = std::array<double, kMostSeedCoefficients>;
using Square = std::array<Small, kMostSeedCoefficients>;

// The inverse of the leading `size` rows and columns, by Gauss-Jordan elimination.
Square inverse_of(Square g, std::size_t size) {
  Square inverse{};
  for (std::size_t i = 0; i < size; ++i) inverse[i][i] = 1;
  for (std::size_t i = 0; i < size; ++i) {
    const double pivot = g[i][i];
    for (std::size_t k = 0; k < size; ++k) {
      g[i][k] /= pivot;
      inverse[i][k] /= pivot;
    }
    for (std::size_t r = 0; r < size; ++r) {
      if (r == i) continue;
      const double factor = g[r][i];
      for (std::size_t k = 0; k < size; ++k) {
        g[r][k] -= factor * g[i][k];
        inverse[r][k] -= factor * inverse[i][k];
      }
    }
  }
  return inverse;
}

struct Candidate {
  SeedVector vector;
  double error;
};

// What a seed makes of a vector; an infinite error where it is not to be used.
Candidate judged(const SeedFormat& format, std::uint16_t seed, const double* w, const Numbers& importance) {
  const std::size_t length = format.length, size = format.coefficients;
  const std::int16_t* states = seed_states().following(seed_states().position(seed));
  Square g{};
  Small b{}, t{};
  for (std::size_t c = 0; c < length; ++c)
    for (std::size_t i = 0; i < size; ++i) {
      const double u = states[c * size + i] / 32767.0;
      b[i] += importance[c] * u * w[c];
      for (std::size_t j = 0; j < size; ++j) g[i][j] += importance[c] * u * states[c * size + j] / 32767.0;
    }
  const Square inverse = inverse_of(g, size);
  double trace = 0, of_inverse = 0, largest = 0;
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < size; ++k) t[i] += inverse[i][k] * b[k];
    trace += g[i][i];
    of_inverse += inverse[i][i];
    largest = std::max(largest, std::abs(t[i]));
  }
  Candidate out{{.seed = seed}, std::numeric_limits<double>::infinity()};
  if (!(std::sqrt(trace * of_inverse) <= format.most_condition)) return out;
  const double exponent =
      format.rule == SeedExponentRule::kRange ? std::ceil(std::log2(largest / 7.5)) : std::floor(std::log2(largest));
  out.vector.exponent = static_cast<std::int8_t>(std::clamp(exponent, -8.0, 7.0));
  const double step = std::exp2(out.vector.exponent);
  for (std::size_t p = 0; p < size; ++p)
    out.vector.coefficients[p] = static_cast<std::int8_t>(std::clamp(std::nearbyint(t[p] / step), -8.0, 7.0));
  out.error = 0;
  for (std::size_t c = 0; c < length; ++c) {
    double value = 0;
    for (std::size_t p = 0; p < size; ++p) value += states[c * size + p] / 32767.0 * out.vector.coefficients[p];
    const double off = w[c] - value * step;
    out.error += importance[c] * off * off;
  }
  return out;
}

Numbers hard_vectors(std::size_t length) {
  Numbers all;
  for (const double sigma : {1.0, 0.02, 1e-3, 300.0}) {
    const Numbers more = gaussian(length, sigma, 2);
    all.insert(all.end(), more.begin(), more.end());
  }
  all.insert(all.end(), length, 0.37);
  for (std::size_t c = 0; c < length; ++c) all.push_back(c == 5 ? 40 : 0);
  for (std::size_t c = 0; c < length; ++c) all.push_back(c % 2 ? 1 : -1);
  all.insert(all.end(), length, 16384);
  all.insert(all.end(), length, 1e-30);
  all.insert(all.end(), length, 0);
  return all;
}

void expect_best(const SeedFormat& format, const Numbers& importance) {
  const Numbers vectors = hard_vectors(format.length);
  const std::size_t count = vectors.size() / format.length;
  const Numbers ones(format.length, 1.0);
  std::vector<Candidate> best(count);
  for (std::size_t v = 0; v < count; ++v) {
    const double* w = &vectors[v * format.length];
    best[v].error = 0;
    for (std::size_t c = 0; c < format.length; ++c)
      best[v].error += (importance.empty() ? 1 : importance[c]) * w[c] * w[c];
    for (unsigned seed = 1; seed <= kSeeds; ++seed) {
      const Candidate next =
          judged(format, static_cast<std::uint16_t>(seed), w, importance.empty() ? ones : importance);
      if (next.error < best[v].error * (1 - 1e-12)) best[v] = next;
    }
  }
  for (const SeedScan& scan : seed_scans(format)) {
    std::vector<SeedVector> found(count);
    search_seeds(format, scan, vectors, importance, found);
    for (std::size_t v = 0; v < count; ++v) {
      EXPECT_EQ(found[v].seed, best[v].vector.seed) << v << ", " << scan.vectors << " side by side";
      EXPECT_EQ(found[v], best[v].vector) << v << ", " << scan.vectors << " side by side";
    }
  }
}

TEST(SeedSearch, FindsTheBestOfAllSeeds) {
  expect_best(kEight, {});
  expect_best(kTwelve, {});
  expect_best(kPrinted, {});
}

TEST(SeedSearch, FindsTheBestByImportance) {
  expect_best(kEightWeighed, {1, 0x1p-10, 0.5, 0.01, 0.9, 0.3, 0.02, 0.7});
  expect_best(kTwelve, {1, 0.2, 0.5, 0.4, 0.9, 0.3, 0.2, 0.7, 0.3, 0.3, 0.6, 0.8});
}

TEST(SeedSearch, GivesVectorsThatItWasGivenAloneTheSame) {
  const Numbers vectors = gaussian(37 * 8, 1, 3);  // more than are looked at side by side, and not a multiple of them
  std::vector<SeedVector> together(37), alone(1);
  const SeedScan& scan = seed_scans(kEight).front();
  search_seeds(kEight, scan, vectors, {}, together);
  for (const std::size_t v : {0, 17, 36}) {
    search_seeds(kEight, scan, std::span(vectors).subspan(v * 8, 8), {}, alone);
    EXPECT_EQ(alone[0], together[v]) << v;
  }
}

// What the search takes for granted of vectors that are next to nothing.
TEST(SeedSearch, NoMatrixIsNextToNothing) {
  for (std::size_t k = 0; k < kSeeds; ++k) {
    for (const std::size_t count : {24, 48}) {
      double trace = 0;
      for (std::size_t i = 0; i < count; ++i) trace += std::pow(seed_states().following(k)[i] / 32767.0, 2);
      ASSERT_GT(trace, 1) << seed_states().seed(k);
    }
  }
}

double relative_error(const SeedFormat& format, double sigma, std::size_t count = 4096) {
  const Numbers vectors = gaussian(count * format.length, sigma, 5);
  std::vector<SeedVector> found(count);
  search_seeds(format, seed_scans(format).front(), vectors, {}, found);
  double error = 0, power = 0;
  std::vector<float> decoded(format.length);
  for (std::size_t v = 0; v < count; ++v) {
    decode_seed_vector(format, found[v], 0, decoded);
    for (std::size_t c = 0; c < format.length; ++c) {
      const double w = vectors[v * format.length + c];
      error += (w - decoded[c]) * (w - decoded[c]);
      power += w * w;
    }
  }
  return error / power;
}

// Weights of sigma 0.02 without an exponent of the tensor, as two other implementations have them.
TEST(SeedSearch, HasThePublishedErrorsOnGaussianWeights) {
  EXPECT_NEAR(relative_error(kEight, 0.02), 0.0152, 0.02 * 0.0152);
  EXPECT_NEAR(relative_error(kTwelve, 0.02), 0.0507, 0.02 * 0.0507);
  EXPECT_NEAR(relative_error(kPrinted, 0.02), 0.0363, 0.03 * 0.0363);
}

// Their least exponent is -8: coefficients of smaller weights have fewer bits.
TEST(SeedSearch, HasNoRoomForSmallWeightsWithoutAnExponentOfTheTensor) {
  EXPECT_NEAR(relative_error(kEight, 1), 0.0152, 0.02 * 0.0152);
  EXPECT_GT(relative_error(kEight, 1e-3, 64), 0.1);
}

}  // namespace
}  // namespace quern
