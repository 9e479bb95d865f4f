// Hyper-Compression: its grid point by point, its golden figures, and rows and bytes that are none of its usual ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/random.h"
#include "codec/hyper_training.h"
#include "codec/packed_tensor.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr const char* kNames[] = {"hyper_1600",    "hyper_1600_l01",  "hyper_1600_l08", "hyper_225",
                                  "hyper_225_l01", "hyper_1600_rans", "hyper_225_rans", "hyper_225_l01_rans"};
constexpr HyperSetting k225 = {15, 3, 4, HyperSetting::Side::kSigmas, 0},
                       k1600 = {40, 4, 4, HyperSetting::Side::kSigmas, 0};

Matrix gaussian(std::size_t rows, std::size_t cols, double sigma, std::uint64_t seed) {
  Random random(seed);
  Matrix m(rows, cols);
  for (float& value : m.flat()) value = static_cast<float>(sigma * random.normal());
  return m;
}

Matrix decoded(const PackedTensor& packed) {
  Matrix out(packed.layout().rows, packed.layout().cols);
  for (std::size_t i = 0; i < out.rows(); ++i) decode_row(packed.codec(), packed.row(i), out.row(i));
  return out;
}

double relative_error(const Matrix& weights, const Matrix& values) {
  double error = 0, energy = 0;
  for (std::size_t k = 0; k < weights.flat().size(); ++k) {
    error += std::pow(double{weights.flat()[k]} - double{values.flat()[k]}, 2);
    energy += std::pow(double{weights.flat()[k]}, 2);
  }
  return error / energy;
}

double bits_of(const PackedTensor& packed) {
  return 8 * static_cast<double>(packed.bytes()) / static_cast<double>(packed.layout().rows * packed.layout().cols);
}

HyperPlace some_place(std::uint32_t classes) { return {0.08f, {0.01f, -0.02f}, {0.15f, 0.1f}, classes}; }

// The formula of the released code, point by point; of the pair's class, none is nearer.
TEST(HyperGrid, FindsTheNearestPointOfTheClass) {
  Random random(1);
  for (const HyperSetting& setting : {k225, k1600}) {
    const std::uint32_t classes = setting.most_classes, of_class = setting.points() + 1;
    const HyperGrid grid(setting, some_place(classes));
    const double far = grid.place().far(), half = double{0.08f} / 2;
    for (int trial = 0; trial < 3000; ++trial) {
      const double scale = trial % 3 == 0 ? 0.02 : trial % 3 == 1 ? 0.06 : 0.2;
      const auto x = static_cast<float>(0.01 + scale * random.normal()),
                 y = static_cast<float>(-0.02 + scale * random.normal());
      const double dx = double{x} - double{0.01f}, dy = double{y} - double{-0.02f}, r = std::sqrt(dx * dx + dy * dy);
      std::uint32_t m = 0;
      if (std::max(std::abs(dx), std::abs(dy)) > half)
        for (m = 1; m < classes && r > half + m * (far - half) / classes;) ++m;
      const std::uint32_t found = grid.nearest(x, y);
      ASSERT_EQ(found / of_class, m) << x << " " << y;
      if (r > far) continue;  // as after error feedback: near, but not always the nearest
      const auto distance = [&](std::uint32_t index) {
        const auto& value = grid.value(index);
        return std::hypot(double{x} - double{value[0]}, double{y} - double{value[1]});
      };
      for (std::uint32_t k = 0; k < of_class; ++k)
        ASSERT_LE(distance(found), distance(m * of_class + k) * (1 + 1e-5) + 1e-9) << x << " " << y << " " << k;
    }
  }
}

TEST(HyperGrid, HasThePointsOfTheWinding) {
  const HyperGrid grid(k225, some_place(2));
  EXPECT_EQ(grid.indices(), 226u * 3);
  EXPECT_EQ(grid.index_bits(), 10u);
  const double l = double{0.08f}, far = grid.place().far(), grows = (l / 2 + (far - l / 2) / 2) / (l / 2);
  for (const int k : {0, 1, 14, 15, 16, 224}) {
    const double x = k * l / 225 - l / 2, y = k % 15 * l / 15 - l / 2;
    EXPECT_NEAR(grid.value(1 + static_cast<std::uint32_t>(k))[0], 0.01 + x, 1e-8);
    EXPECT_NEAR(grid.value(1 + static_cast<std::uint32_t>(k))[1], -0.02 + y, 1e-8);
    EXPECT_NEAR(grid.value(227 + static_cast<std::uint32_t>(k))[0], 0.01 + x * grows, 1e-7);
  }
  for (const std::uint32_t m : {0u, 1u, 2u}) EXPECT_EQ(grid.value(226 * m), grid.place().centre);
}

TEST(HyperSymbols, AreThoseOfOneIndex) {
  const HyperGrid grid(k1600, some_place(4));
  for (std::uint32_t index = 0; index < grid.indices(); ++index)
    EXPECT_EQ(index_of(grid, symbols_of(grid, index)), index);
  EXPECT_THROW(index_of(grid, {1, 40}), Error);      // a column that no row has
  EXPECT_THROW(index_of(grid, {0, 3}), Error);       // the centre has one name
  EXPECT_THROW(index_of(grid, {41 * 5, 0}), Error);  // a fifth class
}

// Bits counted from the bytes.
TEST(Hyper, ReachesThePublishedSettingsFigures) {
  const Matrix weights = gaussian(64, 4096, 0.02, 2);
  const auto check = [&](const char* name, double error, double within, double bits) {
    const PackedTensor packed = encode_tensor(*find_codec(name), weights.view());
    EXPECT_NEAR(relative_error(weights, decoded(packed)) / error, 1, within) << name;
    EXPECT_NEAR(bits_of(packed), bits, 0.005) << name;
  };
  check("hyper_225_l01", 0.0095, 0.03, 5.0);
  check("hyper_1600_l01", 0.0014, 0.03, 6.0);
  check("hyper_225", 0.0067, 0.03, 5.0);
  check("hyper_1600", 0.00118, 0.03, 6.0);
}

TEST(Hyper, EntropyCodingKeepsTheValuesInFewerBytes) {
  const Matrix weights = gaussian(64, 4096, 0.02, 2);
  const PackedTensor plain = encode_tensor(*find_codec("hyper_225_l01"), weights.view()),
                     coded = encode_tensor(*find_codec("hyper_225_l01_rans"), weights.view());
  EXPECT_TRUE(std::ranges::equal(decoded(plain).flat(), decoded(coded).flat()));
  EXPECT_GT(bits_of(coded), 3.64);  // the entropy of an index
  EXPECT_LT(bits_of(coded), 3.78);
}

// The string of bits that the released code writes: the first index in front, behind zeros that fill a byte.
TEST(Hyper, PacksIndicesFromTheHighestBit) {
  const Matrix weights = gaussian(1, 6, 0.02, 3);
  const PackedTensor packed = encode_tensor(*find_codec("hyper_225_l01"), weights.view());
  const HyperGrid& grid = static_cast<const HyperSide&>(*packed.codec().tensor_side).grid();
  ASSERT_EQ(packed.plane(0).size(), (3 * grid.index_bits() + 7) / 8);
  std::uint64_t wanted = 0, found = 0;
  for (std::size_t k = 0; k < 6; k += 2)
    wanted = wanted << grid.index_bits() | grid.nearest(weights.flat()[k], weights.flat()[k + 1]);
  for (const std::byte byte : packed.plane(0)) found = found << 8 | std::to_integer<std::uint64_t>(byte);
  EXPECT_EQ(found, wanted);
}

// The last weight of an odd row is paired with the mean of the weights at odd places.
TEST(Hyper, RowsOfAnOddNumberArePaddedWithTheMean) {
  for (const char* name : kNames) {
    const Codec& codec = *find_codec(name);
    for (const std::size_t cols : {1, 3, 101}) {
      const Matrix weights = gaussian(50, cols, 0.02, cols);
      const PackedTensor packed = encode_tensor(codec, weights.view());
      const HyperGrid& grid = static_cast<const HyperSide&>(*packed.codec().tensor_side).grid();
      const Matrix values = decoded(packed);
      for (std::size_t i = 0; i < weights.rows(); ++i)
        EXPECT_EQ(values.row(i)[cols - 1], grid.value(grid.nearest(weights.row(i)[cols - 1], grid.padding()))[0]);
      if (codec.is_measured()) continue;
      EXPECT_EQ(packed.plane(0).size(), 50 * (((cols + 1) / 2 * grid.index_bits() + 7) / 8));
    }
  }
}

TEST(Hyper, ZerosAndConstantsAreExact) {
  for (const char* name : kNames)
    for (const float constant : {0.0f, -0.37f, 1e4f, 1e-30f}) {
      Matrix weights(3, 64);
      std::ranges::fill(weights.flat(), constant);
      const PackedTensor packed = encode_tensor(*find_codec(name), weights.view());
      EXPECT_TRUE(std::ranges::equal(decoded(packed).flat(), weights.flat())) << name << " " << constant;
    }
}

// Two weights of 1e4 move the centre and stretch the classes: the others are lost, and nothing worse happens.
TEST(Hyper, StandsOutliers) {
  for (const char* name : kNames) {
    Matrix weights = gaussian(64, 512, 0.02, 5);
    weights.row(7)[100] = 1e4f;
    weights.row(50)[3] = -1e4f;
    const Matrix values = decoded(encode_tensor(*find_codec(name), weights.view()));
    EXPECT_NEAR(values.row(7)[100], 1e4f, 700) << name;
    EXPECT_NEAR(values.row(50)[3], -1e4f, 700) << name;
    EXPECT_LT(relative_error(weights, values), 0.007) << name;
  }
}

// What a tensor shares does not depend on how its rows are cut, nor on the order of the parts.
TEST(Hyper, LearnsTheSameFromAnyCut) {
  Matrix weights = gaussian(40, 33, 0.02, 6);
  weights.row(3)[4] = 1e30f;
  weights.row(4)[4] = -1e30f;
  weights.row(5)[5] = std::numeric_limits<float>::quiet_NaN();
  for (const char* name : kNames) {
    const Codec& codec = *find_codec(name);
    const std::vector<std::byte> whole = trained_on(codec, weights.view())->tensor_side->serialise();
    for (const std::size_t part : {1, 7, 40}) {
      std::unique_ptr<TensorTraining> all, next = codec.train(codec);
      while (next) {
        const auto before = std::exchange(all, std::move(next));
        for (std::size_t end = weights.rows(); end > 0;) {  // from the last part to the first
          const std::size_t first = end > part ? end - part : 0;
          const auto some = before ? before->next_pass() : codec.train(codec);
          some->observe({weights.row(first).data(), end - first, weights.cols(), weights.cols()}, {});
          all->merge(*some);
          end = first;
        }
        next = all->next_pass();
      }
      EXPECT_EQ(all->finish()->serialise(), whole) << name << " " << part;
    }
  }
}

TEST(Hyper, TakesTheFirstNumberOfClassesThatIsGoodEnough) {
  const auto classes = [](const char* name, const Matrix& weights) {
    const auto trained = trained_on(*find_codec(name), weights.view());
    return static_cast<const HyperSide&>(*trained->tensor_side).grid().place().classes;
  };
  Matrix weights = gaussian(64, 512, 0.02, 7);
  EXPECT_EQ(classes("hyper_1600_l01", weights), 1u);  // a mean error of 0.0006
  EXPECT_GT(classes("hyper_225_l01", weights), 1u);   // none reaches 0.001: the best
  for (float& value : weights.flat()) value *= 40;
  EXPECT_EQ(classes("hyper_1600_l08", weights), 4u);
}

// Bytes that no encoder writes.
void expect_refused(const Codec& codec, std::vector<std::byte> side) {
  try {
    codec.load_tensor_side(codec, side);
    ADD_FAILURE() << codec.name;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
  }
}

TEST(Hyper, RefusesGridsThatCannotBe) {
  const Matrix weights = gaussian(8, 256, 0.02, 8);
  for (const char* name : kNames) {
    const Codec& codec = *find_codec(name);
    const std::vector<std::byte> good = trained_on(codec, weights.view())->tensor_side->serialise();
    EXPECT_EQ(codec.load_tensor_side(codec, good)->serialise(), good);
    for (std::size_t size = 0; size < good.size(); ++size)
      expect_refused(codec, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)});
    std::vector<std::byte> bad = good;
    bad.push_back({});
    expect_refused(codec, bad);
    for (const unsigned classes : {0u, 9u}) {
      bad = good;
      bad[20] = static_cast<std::byte>(classes);
      expect_refused(codec, bad);
    }
    for (std::size_t at = 0; at < 5; ++at) {
      bad = good;
      store(&bad[4 * at], std::numeric_limits<float>::quiet_NaN());
      expect_refused(codec, bad);
    }
    bad = good;
    store(bad.data(), -1.0f);
    expect_refused(codec, bad);
  }
}

TEST(Hyper, RefusesAnIndexOutsideTheGrid) {
  const Matrix weights = gaussian(8, 256, 0.02, 9);
  PackedTensor packed = encode_tensor(*find_codec("hyper_225"), weights.view());
  for (std::byte& byte : packed.plane(0).subspan(0, 5)) byte = std::byte{0xff};  // 1023 of 904
  std::vector<float> out(256);
  EXPECT_THROW(decode_row(packed.codec(), std::as_const(packed).row(0), out), Error);
  EXPECT_NO_THROW(decode_row(packed.codec(), std::as_const(packed).row(1), out));
}

TEST(Hyper, RefusesDamagedStreams) {
  const Matrix weights = gaussian(1, 512, 0.02, 10);
  const PackedTensor packed = encode_tensor(*find_codec("hyper_225_rans"), weights.view());
  const Codec& codec = packed.codec();
  const auto good = packed.plane(0);
  std::vector<float> out(512);
  EXPECT_NO_THROW(codec.unpack_row(codec, good, out));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THROW(codec.unpack_row(codec, good.first(size), out), Error);
  EXPECT_THROW(codec.unpack_row(codec, good, std::span(out).first(510)), Error);
}

// A stream of a symbol that the table allows and the grid does not.
TEST(Hyper, RefusesSymbolsOutsideTheGrid) {
  SymbolCounts rows{}, columns{};
  rows[200] = 5;
  columns[3] = 5;
  const HyperSide side(HyperGrid(k225, some_place(2)),
                       HyperTables{FrequencyTable::from_counts(rows), FrequencyTable::from_counts(columns)});
  const Codec& codec = *find_codec("hyper_225_rans");
  const auto trained = trained_codec(codec, codec.load_tensor_side(codec, side.serialise()));
  std::vector<std::byte> stream;
  const std::vector<std::uint8_t> row_symbols = {200, 200}, column_symbols = {3, 3};
  const SymbolRun runs[] = {{&side.tables().rows, row_symbols}, {&side.tables().columns, column_symbols}};
  rans_encode(runs, {}, stream);
  std::vector<float> out(4);
  EXPECT_THROW(codec.unpack_row(*trained, stream, out), Error);
}

}  // namespace
}  // namespace quern
