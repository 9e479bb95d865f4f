// Ternary formats give trained weights back exactly, and lose of others what is published and measured of them.
#include "codec/ternary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/packed_tensor.h"

namespace quern {
namespace {

using Floats = std::vector<float>;

Floats gaussian(std::size_t count) {
  Random random(158);
  Floats out(count);
  for (float& value : out) value = static_cast<float>(0.02 * random.normal());
  return out;
}

double mean_magnitude(const Floats& weights) {
  double sum = 0;
  for (const float w : weights) sum += std::abs(w);
  return sum / static_cast<double>(weights.size());
}

// Codes of -1, 0 and 1: nearest ones under `scale`, which make 0 of what is below half of it.
std::vector<int> nearest_trits(const Floats& weights, double scale) {
  std::vector<int> codes;
  for (const float w : weights) codes.push_back(std::clamp(static_cast<int>(std::nearbyint(w / scale)), -1, 1));
  return codes;
}

double relative_error(const Floats& weights, const std::vector<int>& codes, double scale) {
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    error += std::pow(weights[i] - scale * codes[i], 2);
    energy += std::pow(weights[i], 2);
  }
  return error / energy;
}

// <w, t> / <t, t>
double best_scale(const Floats& weights, const std::vector<int>& codes) {
  double product = 0, count = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) product += weights[i] * codes[i], count += codes[i] != 0;
  return product / count;
}

// BitNet b1.58's quantizer is clip(round(w / mean|w|), -1, 1) * mean|w|. Figures of docs/methods/bitnet.md.
TEST(Ternary, AbsmeanLosesWhatIsKnownOfGaussianWeights) {
  const Floats weights = gaussian(1 << 20);
  const double scale = mean_magnitude(weights);
  const std::vector<int> codes = nearest_trits(weights, scale);
  const double zeros = static_cast<double>(std::ranges::count(codes, 0)) / static_cast<double>(codes.size()),
               other = (1 - zeros) / 2;
  EXPECT_NEAR(zeros, 0.3106, 0.002);
  EXPECT_NEAR(-zeros * std::log2(zeros) - 2 * other * std::log2(other), 1.583, 0.001);
  EXPECT_NEAR(relative_error(weights, codes, scale), 0.264, 0.003);
  EXPECT_NEAR(relative_error(weights, codes, best_scale(weights, codes)), 0.214, 0.002);
  const std::vector<int> twn = nearest_trits(weights, 1.4 * scale);  // 0 below 0.7 mean|w|
  EXPECT_NEAR(relative_error(weights, twn, best_scale(weights, twn)), 0.192, 0.002);
}

class TernaryCodecs : public testing::TestWithParam<const Codec*> {};

// The least that three values can do is 0.1902 (Lloyd and Max), for a scale of all weights. A block's own is a little
// better on its 256.
TEST_P(TernaryCodecs, FindTheBestThreshold) {
  const Floats weights = gaussian(1 << 16);
  const PackedTensor packed = encode_tensor(*GetParam(), {weights.data(), 256, 256, 256});
  Floats decoded(256);
  double error = 0, energy = 0;
  for (std::size_t r = 0; r < 256; ++r) {
    decode_row(packed.codec(), packed.row(r), decoded);
    EXPECT_LE(std::set<float>(decoded.begin(), decoded.end()).size(), 3u);
    for (std::size_t c = 0; c < decoded.size(); ++c) {
      error += std::pow(weights[256 * r + c] - decoded[c], 2);
      energy += std::pow(weights[256 * r + c], 2);
    }
  }
  EXPECT_NEAR(error / energy, 0.188, 0.004);
}

// Whatever importance says: the best scale of weights that are all s or 0 is s.
TEST_P(TernaryCodecs, GiveTrainedWeightsBackExactly) {
  Random random(7);
  for (const float scale : {1.0f, 0.0371093750f, 6.103515625e-5f, 48.0f}) {  // binary16 holds them
    Floats weights(1024), importance(1024);
    for (float& w : weights) w = scale * static_cast<float>(static_cast<int>(random.below(3)) - 1);
    std::fill_n(weights.begin() + 256, 256, 0.0f);
    for (float& value : importance) value = static_cast<float>(std::exp(random.normal()));
    for (const bool weighted : {false, true}) {
      const PackedTensor packed =
          encode_tensor(*GetParam(), {weights.data(), 1, 1024, 1024},
                        weighted ? std::span<const float>(importance) : std::span<const float>());
      Floats decoded(1024);
      decode_row(packed.codec(), packed.row(0), decoded);
      EXPECT_EQ(decoded, weights) << scale;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, TernaryCodecs, testing::ValuesIn(ternary_codecs().begin(), ternary_codecs().end()),
                         [](const auto& codec) { return std::string(codec.param->name); });

TEST(Ternary, OtherFormatsHaveMoreValues) {
  for (const Codec* codec : codecs()) {
    const std::string name = codec->name;
    const bool listed = std::ranges::find(ternary_codecs(), codec) != ternary_codecs().end();
    EXPECT_EQ(is_ternary(*codec), listed || name.starts_with("ternary_") || name.starts_with("i2_s")) << name;
    EXPECT_TRUE(!is_ternary(*codec) || codec->use == Codec::Use::kTrained) << name;
  }
}

}  // namespace
}  // namespace quern
