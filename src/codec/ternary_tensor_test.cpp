// Ternary tensors of one scale: nothing is lost of weights that are so, and the figures of the absolute mean of others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/random.h"
#include "codec/packed_tensor.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr const char* kNames[] = {"ternary_b3", "ternary_2bit"};

Matrix decoded(const PackedTensor& packed) {
  Matrix out(packed.layout().rows, packed.layout().cols);
  for (std::size_t i = 0; i < out.rows(); ++i) decode_row(packed.codec(), packed.row(i), out.row(i));
  return out;
}

Matrix ternary(std::size_t rows, std::size_t cols, float scale) {
  Random random(1);
  Matrix m(rows, cols);
  for (float& value : m.flat()) value = scale * static_cast<float>(static_cast<int>(random.below(3)) - 1);
  return m;
}

TEST(TernaryTensor, LosesNothingOfTernaryWeights) {
  for (const char* name : kNames)
    for (const std::size_t cols : {1, 4, 5, 6, 63, 256})
      for (const float scale : {1.0f, 0.0371f, 3e-30f}) {
        const Matrix weights = ternary(20, cols, scale);
        EXPECT_TRUE(
            std::ranges::equal(decoded(encode_tensor(*find_codec(name), weights.view())).flat(), weights.flat()))
            << name << " " << cols << " " << scale;
      }
}

TEST(TernaryTensor, RoundsOthersToTheMeanMagnitude) {
  Random random(2);
  Matrix weights(64, 4096);
  for (float& value : weights.flat()) value = static_cast<float>(0.02 * random.normal());
  const Matrix values = decoded(encode_tensor(*find_codec("ternary_b3"), weights.view()));
  double error = 0, energy = 0, zeros = 0;
  for (std::size_t k = 0; k < values.flat().size(); ++k) {
    error += std::pow(double{weights.flat()[k]} - double{values.flat()[k]}, 2);
    energy += std::pow(double{weights.flat()[k]}, 2);
    zeros += values.flat()[k] == 0;
  }
  EXPECT_NEAR(error / energy, 0.264, 0.002);
  EXPECT_NEAR(zeros / static_cast<double>(values.flat().size()), 0.3106, 0.003);
}

TEST(TernaryTensor, PacksFiveOrFourInAByte) {
  Matrix weights(1, 7);
  std::ranges::copy(std::vector<float>{1, 0, -1, 1, 1, -1, 0}, weights.flat().begin());
  const auto bytes = [&](const char* name) {
    const PackedTensor packed = encode_tensor(*find_codec(name), weights.view());
    return std::vector<std::byte>(packed.plane(0).begin(), packed.plane(0).end());
  };
  EXPECT_EQ(bytes("ternary_b3"), (std::vector{std::byte{2 * 81 + 27 + 2 * 3 + 2}, std::byte{27 + 9 + 3 + 1}}));
  EXPECT_EQ(bytes("ternary_2bit"), (std::vector{std::byte{0b10'00'01'10}, std::byte{0b01'01'00'10}}));
}

TEST(TernaryTensor, RefusesBytesThatHoldNoCodes) {
  for (const char* name : kNames) {
    PackedTensor packed = encode_tensor(*find_codec(name), ternary(1, 20, 1).view());
    packed.plane(0)[1] = std::byte{0xff};
    EXPECT_THROW(decoded(packed), Error) << name;
  }
  PackedTensor packed = encode_tensor(*find_codec("ternary_b3"), ternary(1, 20, 1).view());
  packed.plane(0)[1] = std::byte{242};
  EXPECT_NO_THROW(decoded(packed));
  packed.plane(0)[1] = std::byte{243};
  EXPECT_THROW(decoded(packed), Error);
}

TEST(TernaryTensor, RefusesScalesThatAreNone) {
  for (const char* name : kNames) {
    const Codec& codec = *find_codec(name);
    std::vector<std::byte> bytes(4);
    for (const float bad : {-1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      store(bytes.data(), bad);
      EXPECT_THROW(codec.load_tensor_side(codec, bytes), Error);
    }
    EXPECT_THROW(codec.load_tensor_side(codec, std::vector<std::byte>(5)), Error);
    EXPECT_THROW(codec.load_tensor_side(codec, {}), Error);
  }
}

}  // namespace
}  // namespace quern
