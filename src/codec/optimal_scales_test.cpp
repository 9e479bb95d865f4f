// Encoders with few choices against the least error that any choice of scales can give, found by trying them all.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/scalars.h"
#include "codec/packed_tensor.h"
#include "search/iq_grids.h"

namespace quern {
namespace {

using Floats = std::vector<float>;
using FloatSpan = std::span<const float>;

constexpr std::array<float, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// E2M1 of the OCP Microscaling specification 1.0.
constexpr std::array<float, 15> kE2m1Values = {-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6};

Floats sample(std::size_t count, double tail, std::uint64_t seed) {
  Random random(seed);
  Floats out(count);
  for (float& value : out) value = static_cast<float>(0.02 * random.normal() * std::exp(tail * random.normal()));
  return out;
}

// Log-normal, or empty for seed 0.
Floats importance(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Floats out(seed ? count : 0);
  for (float& value : out) value = static_cast<float>(std::exp(random.normal()));
  return out;
}

double encoded_error(const char* name, FloatSpan weights, FloatSpan w) {
  const Codec& codec = *find_codec(name);
  PackedTensor out(codec, {1, weights.size()});
  encode_row(codec, weights, w, out.row(0));
  Floats decoded(weights.size());
  decode_row(codec, std::as_const(out).row(0), decoded);
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k)
    sum += (w.empty() ? 1.0 : w[k]) * std::pow(static_cast<double>(weights[k]) - decoded[k], 2);
  return sum;
}

// Every weight on its nearest value.
double nearest_error(FloatSpan values, double scale, FloatSpan x, FloatSpan w) {
  double sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    double least = std::numeric_limits<double>::infinity();
    for (const float value : values) least = std::min(least, std::abs(x[k] - scale * value));
    sum += (w.empty() ? 1.0 : w[k]) * least * least;
  }
  return sum;
}

float largest(FloatSpan x) {
  float most = 0;
  for (const float value : x) most = std::max(most, std::abs(value));
  return most;
}

float as_half(double value) { return f16_to_f32(f32_to_f16(static_cast<float>(value))); }

FloatSpan part(const Floats& all, std::size_t first, std::size_t count) {
  return all.empty() ? FloatSpan() : FloatSpan(all).subspan(first, count);
}

struct Case {
  double tail;
  std::uint64_t importance_seed;
};
constexpr Case kCases[] = {{0, 0}, {0.6, 0}, {0, 3}, {0.6, 4}};

TEST(Iq4Nl, IsNearTheBestOfAllScales) {
  for (const auto& [tail, seed] : kCases) {
    const Floats x = sample(512, tail, 1), w = importance(512, seed);
    double best = 0;
    for (std::size_t first = 0; first < x.size(); first += 32) {
      const FloatSpan block = part(x, first, 32);
      double least = std::numeric_limits<double>::infinity();
      for (double unit = 0.3 * largest(block) / 127; unit < 1.4 * largest(block) / 127; unit *= 1.001) {
        for (const double scale : {unit, -unit})
          least = std::min(least, nearest_error(kIq4Values, as_half(scale), block, part(w, first, 32)));
      }
      best += least;
    }
    EXPECT_LT(encoded_error("iq4_nl", x, w), 1.006 * best) << tail << " " << seed;
  }
}

// The least error of a sub-block under d with any of the 64 scales; scales far too small or large are left out.
double sub_block_error(double d, FloatSpan x, FloatSpan w) {
  double least = std::numeric_limits<double>::infinity();
  for (int scale = -32; scale < 32; ++scale) {
    const double reach = std::abs(d * scale) * 127 / largest(x);
    if (reach > 0.4 && reach < 1.4) least = std::min(least, nearest_error(kIq4Values, d * scale, x, w));
  }
  return least;
}

TEST(Iq4Xs, IsNearTheBestOfAllScales) {
  for (const auto& [tail, seed] : kCases) {
    const Floats x = sample(256, tail, 2), w = importance(256, seed);
    double best = std::numeric_limits<double>::infinity();
    for (double unit = 0.5 * largest(x) / 127 / 32; unit < 1.4 * largest(x) / 127 / 32; unit *= 1.008) {
      for (const double d : {unit, -unit}) {
        double sum = 0;
        for (std::size_t first = 0; first < 256 && sum < best; first += 32)
          sum += sub_block_error(as_half(d), part(x, first, 32), part(w, first, 32));
        best = std::min(best, sum);
      }
    }
    EXPECT_LT(encoded_error("iq4_xs", x, w), 1.006 * best) << tail << " " << seed;
  }
}

TEST(Mxfp4, TakesTheBestOfAllPowersOfTwo) {
  for (const auto& [tail, seed] : kCases) {
    const Floats x = sample(1024, tail, 5), w = importance(1024, seed);
    double best = 0;
    for (std::size_t first = 0; first < x.size(); first += 32) {
      double least = std::numeric_limits<double>::infinity();
      for (int power = -127; power < 20; ++power)
        least =
            std::min(least, nearest_error(kE2m1Values, std::ldexp(1.0, power), part(x, first, 32), part(w, first, 32)));
      best += least;
    }
    EXPECT_NEAR(encoded_error("mxfp4", x, w), best, 1e-6 * best) << tail << " " << seed;
  }
}

TEST(Mxfp4, ServesSmallWeightsBesideALargeOneThatDoesNotMatter) {
  Floats x = sample(32, 0, 6), w(32, 1.0f);
  x[9] = 1000, w[9] = 1e-10f;
  const double error = encoded_error("mxfp4", x, w), without = error - 1e-10 * 1000 * 1000;
  x[9] = 0;
  EXPECT_LT(without, 1.3 * encoded_error("mxfp4", x, w));
}

TEST(Mxfp4, HasTheRangeOfItsExponent) {
  Floats x = sample(256, 0, 7);
  const double error = encoded_error("mxfp4", x, {});
  for (const int power : {-115, -40, 60, 130}) {
    Floats scaled = x;
    for (float& value : scaled) value = std::ldexp(value, power);
    EXPECT_NEAR(std::ldexp(encoded_error("mxfp4", scaled, {}), -2 * power), error, 1e-6 * error) << power;
  }
  const Codec& codec = *find_codec("mxfp4");
  PackedTensor out(codec, {1, 32});
  Floats decoded(32);
  encode_row(codec, Floats(32, std::numeric_limits<float>::max()), {}, out.row(0));
  decode_row(codec, std::as_const(out).row(0), decoded);
  for (const float value : decoded) EXPECT_NEAR(value / std::numeric_limits<float>::max(), 0.75, 1e-3);
}

TEST(Nvfp4, IsNearTheBestOfAllScales) {
  for (const auto& [tail, seed] : kCases) {
    Floats x = sample(1024, tail, 5);
    const Floats w = importance(1024, seed);
    for (const float size : {1.0f, 50.0f}) {  // scales that are denormals, and others
      for (float& value : x) value *= size;
      double best = 0;
      for (std::size_t first = 0; first < x.size(); first += 16) {
        double least = std::numeric_limits<double>::infinity();
        for (int exponent = 0; exponent < 16; ++exponent)
          for (int fraction = 0; fraction < 8 && exponent * 8 + fraction < 0x7f; ++fraction) {
            const double scale = exponent ? std::ldexp(1 + fraction / 8.0, exponent - 7) : fraction * 0x1p-9;
            least = std::min(least, nearest_error(kE2m1Values, scale, part(x, first, 16), part(w, first, 16)));
          }
        best += least;
      }
      const double error = encoded_error("nvfp4", x, w);
      EXPECT_LT(error, 1.002 * best) << tail << " " << seed << " " << size;
      EXPECT_GT(error, (1 - 1e-6) * best) << tail << " " << seed << " " << size;
    }
  }
}

// A format of iq_grids.h whose scales are d * unit * (q + 0.5), q < 16.
struct GridFormat {
  const char* name;
  std::span<const std::uint16_t> grid;
  std::vector<float> values;  // of the places of an entry
  std::size_t run;            // weights of a scale
  double unit;
  bool even_signs;
};

// The least error of the weights of one entry under any entry; where signs must be even and are not, of one sign too.
double entry_error(const GridFormat& format, double scale, FloatSpan x, FloatSpan w) {
  const std::size_t bits = 16 / x.size();
  const bool is_odd = format.even_signs && std::ranges::count_if(x, [](float v) { return v < 0; }) % 2 == 1;
  double least = std::numeric_limits<double>::infinity();
  for (const std::uint16_t entry : format.grid) {
    double error = 0, negation = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double value = scale * format.values[entry >> (bits * k) & ((1u << bits) - 1)],
                   weight = w.empty() ? 1 : w[k];
      error += weight * std::pow(std::abs(x[k]) - value, 2);
      negation = std::min(negation, 4 * weight * std::abs(x[k]) * value);
    }
    least = std::min(least, error + (is_odd ? negation : 0));
  }
  return least;
}

// With the scale of least error among the 16; those far too small or large are left out.
double run_error(const GridFormat& format, double d, FloatSpan x, FloatSpan w, std::size_t places) {
  double least = std::numeric_limits<double>::infinity();
  for (int q = 0; q < 16; ++q) {
    const double scale = d * format.unit * (q + 0.5), reach = scale * format.values.back() / largest(x);
    if (reach < 0.5 || reach > 1.7) continue;
    double sum = 0;
    for (std::size_t k = 0; k < x.size() && sum < least; k += places)
      sum += entry_error(format, scale, x.subspan(k, places), w.empty() ? w : w.subspan(k, places));
    least = std::min(least, sum);
  }
  return least;
}

TEST(Grids, AreNearTheBestOfAllScales) {
  const std::vector<GridFormat> formats = {{"iq2_xxs", kIq2XxsGrid, {8, 25, 43}, 32, 0.25, true},
                                           {"iq3_s", kIq3SGrid, {1, 3, 5, 7, 9, 11, 13, 15}, 32, 2, false}};
  for (const GridFormat& format : formats) {
    const std::size_t places = format.values.size() == 3 ? 8 : 4;
    for (const auto& [tail, seed] : {kCases[0], kCases[3]}) {
      const Floats x = sample(256, tail, 8), w = importance(256, seed);
      const double whole = largest(x) / (format.unit * 15.5 * format.values.back());
      double best = std::numeric_limits<double>::infinity();
      for (double d = 0.6 * whole; d < 1.5 * whole; d *= 1.03) {
        double sum = 0;
        for (std::size_t first = 0; first < 256 && sum < best; first += format.run)
          sum += run_error(format, as_half(d), part(x, first, format.run), part(w, first, format.run), places);
        best = std::min(best, sum);
      }
      EXPECT_LT(encoded_error(format.name, x, w), 1.01 * best) << format.name << " " << tail << " " << seed;
    }
  }
}

// Signs of eight weights that are odd cost one weight its sign: never more than the least of all.
TEST(Grids, NegateTheWeightThatCostsLeast) {
  Floats x(256, 0.02f), w(256, 1.0f);
  for (std::size_t k = 0; k < 256; k += 8) x[k] = -0.02f, w[k + 5] = 1e-6f;
  for (const char* name : {"iq2_xxs", "iq2_xs", "iq3_xxs"}) EXPECT_LT(encoded_error(name, x, w), 1e-6) << name;
}

// With the magnitudes sorted, only the largest ones can be those on codes of 1, and their mean is the scale.
double best_ternary_error(const Floats& x, const Floats& w) {
  std::vector<std::pair<double, double>> sorted;
  for (std::size_t k = 0; k < x.size(); ++k) sorted.emplace_back(std::abs(x[k]), w.empty() ? 1.0 : w[k]);
  std::sort(sorted.rbegin(), sorted.rend());
  double power = 0, sum = 0, weight = 0, gain = 0;
  for (const auto& [magnitude, weight_here] : sorted) {
    power += weight_here * magnitude * magnitude;
    sum += weight_here * magnitude;
    weight += weight_here;
    gain = std::max(gain, sum * sum / weight);
  }
  return power - gain;
}

TEST(Ternary, HasTheBestOfAllScales) {
  for (const char* name : {"tq1_0", "tq2_0"}) {
    for (const double tail : {0.0, 0.6, 1.5, 3.0}) {
      double best = 0, ours = 0;
      for (std::uint64_t seed = 0; seed < 40; ++seed) {
        const Floats x = sample(256, tail, 100 + seed), w = importance(256, seed % 2 ? seed : 0);
        const double least = best_ternary_error(x, w), found = encoded_error(name, x, w);
        EXPECT_LT(found, 1.02 * least) << tail << " " << seed;
        best += least, ours += found;
      }
      EXPECT_LT(ours, 1.001 * best) << tail;
    }
  }
}

TEST(Ternary, KeepsRowsThatAreTernary) {
  for (const char* name : {"tq1_0", "tq2_0"}) {
    for (const std::size_t every : {1, 2, 3, 40, 255}) {
      Floats x(256);
      for (std::size_t k = 0; k < x.size(); k += every) x[k] = k % 3 ? 0.0371f : -0.0371f;
      for (float& value : x) value = as_half(value);
      EXPECT_EQ(encoded_error(name, x, {}), 0) << name << " " << every;
    }
  }
}

}  // namespace
}  // namespace quern
