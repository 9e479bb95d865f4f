// VPTQ beyond what every codec is held to: errors on enough weights, training in any order, its bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/random.h"
#include "base/scalars.h"
#include "codec/packed_tensor.h"
#include "codec/pooled_training.h"
#include "codec/stripes.h"
#include "quern/error.h"

namespace quern {
namespace {

Matrix gaussian(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Random random(seed);
  Matrix matrix(rows, cols);
  for (float& value : matrix.flat()) value = static_cast<float>(0.02 * random.normal());
  return matrix;
}

Matrix decoded(const PackedTensor& packed) {
  Matrix matrix(packed.layout().rows, packed.layout().cols);
  decode_rows(packed.codec(), packed.row(0), 0, matrix.view());
  return matrix;
}

double relative_error(const Matrix& weights, const Matrix& values) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < weights.flat().size(); ++i) {
    const double weight = weights.flat()[i], difference = weight - static_cast<double>(values.flat()[i]);
    error += difference * difference;
    power += weight * weight;
  }
  return error / power;
}

// Centroids of some weights, indices of others.
double held_out_error(const Codec& codec, std::size_t trained_rows) {
  constexpr std::size_t kCols = 512;
  const Matrix weights = gaussian(48, kCols, 2);
  PackedTensor packed(trained_on(codec, gaussian(trained_rows, kCols, 1).view()), {48, kCols});
  encode_rows(weights.view(), {}, packed);
  EXPECT_EQ(packed.plane(0).size() * 8, 48 * kCols * codec.bits_per_weight) << codec.name;
  return relative_error(weights, decoded(packed));
}

// A k-means in numpy on 3.1 M weights measured 0.0929, 0.0974, 0.0084 (begun at random) and 0.323.
TEST(Vptq, LosesOnAGaussianWhatItsSizesAllow) {
  EXPECT_NEAR(held_out_error(*find_codec("vptq_v4_k256"), 1536), 0.0974, 0.03 * 0.0974);
  EXPECT_NEAR(held_out_error(*find_codec("vptq_v2_k256"), 1536), 0.0081, 0.03 * 0.0081);
  EXPECT_NEAR(held_out_error(*find_codec("vptq_v8_k256"), 1536), 0.323, 0.03 * 0.323);
#ifdef NDEBUG
  EXPECT_NEAR(held_out_error(*find_codec("vptq_v6_k4096"), 4096), 0.0929, 0.03 * 0.0929);
#endif
}

// More vectors than are sampled.
TEST(Vptq, LearnsTheSameInAnyOrderAndCut) {
  const Codec& codec = *find_codec("vptq_v2_k16");
  const Matrix weights = gaussian(600, 1000, 3);
  std::vector<float> importance(1000);
  for (std::size_t c = 0; c < importance.size(); ++c) importance[c] = static_cast<float>(1 + c % 7);
  const auto whole = trained_on(codec, weights.view(), importance)->tensor_side->serialise();
  for (const std::size_t step : {std::size_t{2}, std::size_t{74}}) {
    const auto all = codec.train(codec);
    for (std::size_t end = 600; end > 0; end -= std::min(step, end)) {
      const std::size_t first = end - std::min(step, end);
      const auto part = codec.train(codec);
      observe_rows(codec, {weights.row(first).data(), end - first, 1000, 1000}, importance, *part);
      all->merge(*part);
    }
    EXPECT_EQ(all->finish()->serialise(), whole) << step;
  }
}

// With residuals, and more vectors than a thread takes at once.
TEST(Vptq, LearnsTheSameForAnyNumberOfThreads) {
  const Codec& codec = *find_codec("vptq_v4_k256_r256");
  const Matrix weights = gaussian(64, 512, 8);
  const auto training = codec.train(codec);
  observe_rows(codec, weights.view(), {}, *training);
  const std::vector<std::byte> alone = training->finish()->serialise();
  for (const unsigned threads : {2u, 4u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(finish_training(*training, pool)->serialise(), alone) << threads;
  }
}

TEST(Vptq, FillsRowsUpToStripesAndIndicesUpToBytes) {
  const Codec& codec = *find_codec("vptq_v3_k512");
  const Matrix weights = gaussian(7, 33, 4);
  const PackedTensor packed = encode_tensor(codec, weights.view());
  EXPECT_EQ(packed.plane(0).size(), 3u * 38);  // three stripes of 33 indices of 9 bits
  EXPECT_EQ(packed.plane(1).size(), 4u + 512 * 3 * 2);
  EXPECT_EQ(codec.stored_bytes(7, 33), packed.bytes());
  EXPECT_LT(relative_error(weights, decoded(packed)), 1e-6);  // every vector is a centroid
}

// The first index in the lowest bits, the residual's above the other.
TEST(Vptq, HasTheBytesThatItsPageSays) {
  const Codec& codec = *find_codec("vptq_v4_k256_r256");
  std::vector<std::byte> side(4 + 512 * 4 * 2);
  store(side.data(), 0.5f);
  for (std::size_t i = 0; i < 512; ++i)
    for (std::size_t d = 0; d < 4; ++d) {
      const float value = i < 256 ? static_cast<float>(i) + static_cast<float>(d) / 4 : static_cast<float>(i) / 1024;
      store(&side[4 + (i * 4 + d) * 2], f32_to_f16(value));
    }
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, side));
  EXPECT_EQ(trained->tensor_side->serialise(), side);
  PackedTensor packed(trained, {4, 2});
  const unsigned bytes[] = {3, 1, 200, 0};
  for (std::size_t k = 0; k < 4; ++k) packed.plane(0)[k] = std::byte(bytes[k]);
  const Matrix values = decoded(packed);
  for (std::size_t r = 0; r < 4; ++r) {
    EXPECT_EQ(values.row(r)[0], (3 + static_cast<float>(r) / 4 + 257.0f / 1024) / 2);
    EXPECT_EQ(values.row(r)[1], (200 + static_cast<float>(r) / 4 + 0.25f) / 2);
  }
}

TEST(Vptq, ACodebookThatIsNoneIsRefused) {
  const Codec& codec = *find_codec("vptq_v2_k16");
  const std::vector<std::byte> good = encode_tensor(codec, gaussian(4, 32, 5).view()).codec().tensor_side->serialise();
  const auto refused = [&](std::vector<std::byte> bytes) {
    try {
      codec.load_tensor_side(codec, bytes);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
    }
  };
  codec.load_tensor_side(codec, good);
  refused({});
  refused({good.begin(), good.end() - 1});
  for (const float scale : {0.0f, -1.0f, 3.0f, 1e-40f, std::numeric_limits<float>::infinity()}) {
    std::vector<std::byte> bytes = good;
    store(bytes.data(), scale);
    refused(bytes);
  }
  std::vector<std::byte> bytes = good;
  store(&bytes[6], std::uint16_t{0x7e00});
  refused(bytes);
}

// What is rare and large is among what centroids are found from, however many vectors there are.
TEST(Vptq, OutliersAreKeptAndOthersAreNotLost) {
  Matrix weights = gaussian(1024, 512, 6);
  weights.row(77)[300] = 1e4f;
  weights.row(900)[1] = -1e4f;
  weights.row(901)[2] = std::numeric_limits<float>::quiet_NaN();
  weights.row(902)[3] = std::numeric_limits<float>::infinity();
  for (const char* name : {"vptq_v4_k256", "vptq_v2_k16"}) {
    const Matrix values = decoded(encode_tensor(*find_codec(name), weights.view()));
    EXPECT_NEAR(values.row(77)[300], 1e4f, 100) << name;
    EXPECT_NEAR(values.row(900)[1], -1e4f, 100) << name;
    double error = 0, power = 0;
    for (std::size_t i = 0; i < 76 * 512; ++i) {
      const double weight = weights.flat()[i], difference = weight - static_cast<double>(values.flat()[i]);
      error += difference * difference;
      power += weight * weight;
    }
    EXPECT_LT(error, 0.2 * power) << name;
    EXPECT_TRUE(std::ranges::all_of(values.flat(), [](float value) { return std::isfinite(value); })) << name;
  }
}

TEST(Vptq, ImportanceOfColumnsMovesItsCentroids) {
  const Codec& codec = *find_codec("vptq_v4_k256");
  const Matrix weights = gaussian(512, 512, 7);
  std::vector<float> importance(512, 1.0f);
  for (std::size_t c = 0; c < 512; c += 16) importance[c] = 100;
  const auto error_of = [&](std::span<const float> columns) {
    const Matrix values = decoded(encode_tensor(codec, weights.view(), columns));
    double error = 0;
    for (std::size_t r = 0; r < 512; ++r)
      for (std::size_t c = 0; c < 512; ++c)
        error += static_cast<double>(importance[c]) * std::pow(weights.row(r)[c] - values.row(r)[c], 2);
    return error;
  };
  EXPECT_LT(error_of(importance), 0.9 * error_of({}));
}

}  // namespace
}  // namespace quern
