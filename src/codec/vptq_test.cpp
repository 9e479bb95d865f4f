// VPTQ beyond what every codec is held to: errors on enough weights, training in any order, its bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/random.h"
#include "base/scalars.h"
#include "codec/packed_tensor.h"
#include "codec/pooled_training.h"
#include "codec/stripes.h"
#include "codec/vptq_codebook.h"
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

std::vector<std::uint32_t> outliers_of(const TensorSide& side) {
  const auto outliers = static_cast<const VptqCodebook&>(side).outliers();
  return {outliers.begin(), outliers.end()};
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

using ImportanceOfRows = std::function<std::vector<float>(std::size_t first)>;

// As several tasks do it, from the last rows on.
std::vector<std::byte> learnt_in_parts(const Codec& codec, const Matrix& weights, std::size_t step,
                                       const ImportanceOfRows& importance) {
  std::unique_ptr<TensorTraining> whole, next = codec.train(codec);
  while (next) {
    const std::unique_ptr<TensorTraining> before = std::exchange(whole, std::move(next));
    for (std::size_t end = weights.rows(); end > 0; end -= std::min(step, end)) {
      const std::size_t first = end - std::min(step, end);
      const auto part = before ? before->next_pass() : codec.train(codec);
      observe_rows(codec, {weights.row(first).data(), end - first, weights.cols(), weights.cols()}, importance(first),
                   *part);
      whole->merge(*part);
    }
    next = whole->next_pass();
  }
  return whole->finish()->serialise();
}

// More vectors than are sampled.
TEST(Vptq, LearnsTheSameInAnyOrderAndCut) {
  const Matrix weights = gaussian(600, 1000, 3);
  std::vector<float> importance(1000);
  for (std::size_t c = 0; c < importance.size(); ++c) importance[c] = static_cast<float>(1 + c % 7);
  for (const char* name : {"vptq_v2_k16", "vptq_v4_k256_o256"}) {
    const Codec& codec = *find_codec(name);
    const auto whole = trained_on(codec, weights.view(), importance)->tensor_side->serialise();
    for (const std::size_t step : {std::size_t{4}, std::size_t{76}})
      EXPECT_EQ(learnt_in_parts(codec, weights, step, [&](std::size_t) { return importance; }), whole)
          << name << ", " << step << " rows at a time";
  }
}

// Experts of one tensor, each with inputs of its own.
TEST(Vptq, OutliersDoNotDependOnWhichRowsComeFirst) {
  const Codec& codec = *find_codec("vptq_v4_k256_o256");
  const Matrix weights = gaussian(64, 300, 3);
  const auto of_rows = [&](std::size_t first) {
    std::vector<float> importance(300, 1.0f);
    importance[first < 32 ? 40 : 41] = 5;
    return importance;
  };
  const auto large = learnt_in_parts(codec, weights, 32, of_rows);
  EXPECT_EQ(learnt_in_parts(codec, weights, 4, of_rows), large);
  const auto side = codec.load_tensor_side(codec, large);
  EXPECT_EQ(outliers_of(*side), (std::vector<std::uint32_t>{0, 40, 41}));
}

TEST(Vptq, ItsOutliersAreTheHundredthOfMostImportance) {
  const Codec& codec = *find_codec("vptq_v4_k256_o256");
  const Matrix weights = gaussian(8, 201, 3);
  std::vector<float> importance(201, 1.0f);
  importance[200] = 7;
  importance[77] = 9;
  importance[5] = std::numeric_limits<float>::quiet_NaN();
  using List = std::vector<std::uint32_t>;
  EXPECT_EQ(outliers_of(*trained_on(codec, weights.view(), importance)->tensor_side), (List{0, 77, 200}));
  EXPECT_EQ(outliers_of(*trained_on(codec, weights.view())->tensor_side), (List{0, 1, 2}));
  EXPECT_EQ(outliers_of(*trained_on(*find_codec("vptq_v4_k256"), weights.view(), importance)->tensor_side), List{});
}

// With residuals or outliers, and more vectors than a thread takes at once.
TEST(Vptq, LearnsTheSameForAnyNumberOfThreads) {
  const Matrix weights = gaussian(64, 512, 8);
  for (const char* name : {"vptq_v4_k256_r256", "vptq_v4_k256_o256"}) {
    const Codec& codec = *find_codec(name);
    std::unique_ptr<TensorTraining> training = codec.train(codec);
    for (auto next = codec.train(codec); next; next = training->next_pass()) {
      training = std::move(next);
      observe_rows(codec, weights.view(), {}, *training);
    }
    const std::vector<std::byte> alone = training->finish()->serialise();
    for (const unsigned threads : {2u, 4u}) {
      ThreadPool pool(threads);
      EXPECT_EQ(finish_training(*training, pool)->serialise(), alone) << name << ", " << threads;
    }
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

// The codebook of rows of 101 weights whose outliers stand in columns `first` and `second`: centroid i has the numbers
// i + d / 4, half i has -i - d / 4.
std::vector<std::byte> side_with_outliers(std::uint32_t first, std::uint32_t second) {
  std::vector<std::byte> side(4 + 256 * 4 * 2 + 256 * 2 * 2 + 2 * 4);
  store(side.data(), 0.5f);
  for (std::size_t i = 0; i < 256 * 4; ++i) store(&side[4 + i * 2], f32_to_f16(static_cast<float>(i) / 4));
  for (std::size_t i = 0; i < 256 * 2; ++i)
    store(&side[4 + 2048 + i * 2], f32_to_f16(-static_cast<float>(i / 2) - static_cast<float>(i % 2) / 4));
  store(&side[4 + 2048 + 1024], first);
  store(&side[4 + 2048 + 1028], second);
  return side;
}

// Second halves behind all columns.
TEST(Vptq, OutliersHaveTheBytesThatTheirPageSays) {
  const Codec& codec = *find_codec("vptq_v4_k256_o256");
  const std::vector<std::byte> side = side_with_outliers(3, 100);
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, side));
  EXPECT_EQ(trained->tensor_side->serialise(), side);
  PackedTensor packed(trained, {5, 101});
  ASSERT_EQ(packed.plane(0).size(), 2u * 103);
  EXPECT_EQ(codec.stored_bytes(5, 101), packed.bytes());
  for (std::size_t i = 0; i < 103; ++i) packed.plane(0)[103 + i] = std::byte(i + 10);
  const Matrix values = decoded(packed);
  EXPECT_EQ(values.row(4)[2], 12.0f / 2);
  EXPECT_EQ(values.row(4)[3], -13.0f / 2);
  EXPECT_EQ(values.row(4)[100], -110.0f / 2);
  std::vector<float> stripe(4 * 101);
  decode_row(packed.codec(), std::as_const(packed).row(1), stripe);
  const std::vector<float> third(&stripe[12], &stripe[16]), last(&stripe[400], &stripe[404]);
  EXPECT_EQ(third, (std::vector<float>{-13.0f / 2, -13.25f / 2, -111.0f / 2, -111.25f / 2}));
  EXPECT_EQ(last, (std::vector<float>{-110.0f / 2, -110.25f / 2, -112.0f / 2, -112.25f / 2}));
}

// A column has the same codes wherever error feedback rounds it.
TEST(Vptq, AColumnOfOutliersIsKnownByItsPlace) {
  const Codec& codec = *find_codec("vptq_v4_k256_o256");
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, side_with_outliers(3, 100)));
  const std::vector<float> weights{-6.5f, -6.625f, -2.5f, -2.625f};
  std::vector<std::int32_t> codes(4);
  std::vector<float> values(4);
  codec.round(*trained, nullptr, 100 * 4, weights, {}, codes, values);
  EXPECT_EQ(codes[0], 13 | 5 << 8);
  EXPECT_EQ(values, weights);
  codec.round(*trained, nullptr, 99 * 4, weights, {}, codes, values);
  EXPECT_EQ(codes[0], 0);
}

TEST(Vptq, OutliersThatStandNowhereAreRefused) {
  const Codec& codec = *find_codec("vptq_v4_k256_o256");
  const auto refused = [](const char* why, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << why;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string_view(error.what()).find(why), std::string_view::npos) << error.what();
    }
  };
  const auto load = [&](std::span<const std::byte> side) { return codec.load_tensor_side(codec, side); };
  refused("behind those in column 7", [&] { load(side_with_outliers(7, 7)); });
  refused("behind those in column 9", [&] { load(side_with_outliers(9, 7)); });
  const std::vector<std::byte> side = side_with_outliers(3, 101);
  refused("4 more", [&] { load(std::span(side).first(side.size() - 1)); });
  refused("3076 were expected", [&] { load(std::span(side).first(3000)); });
  const auto decode = [&](std::uint64_t cols) {
    const PackedTensor packed(trained_codec(codec, load(side)), {4, cols});
    decoded(packed);
  };
  refused("in column 101", [&] { decode(101); });
  refused("2 columns of outliers, but 3", [&] { decode(201); });
  refused("2 columns of outliers, but 1", [&] { decode(100); });
  decode(102);
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
