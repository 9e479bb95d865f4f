// Products of packed rows: every kernel that this processor runs against decoded weights in double and, in bits,
// against the portable one.
#include "kernel/packed_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "base/scalars.h"
#include "base/thread_pool.h"
#include "codec/packed_tensor.h"
#include "codec/ternary.h"
#include "kernel/dot_kernels.h"
#include "quern/error.h"

namespace quern {
namespace {

// GGML's Q4_0 (block_q4_0 and dequantize_row_q4_0 of llama.cpp): what the kernel of scaled nibbles is written for.
void decode_nibbles(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
  for (std::size_t k = 0; k < 16; ++k) {
    const int both = std::to_integer<int>(planes[0][2 + k]);
    out[k] = static_cast<float>((both & 15) - 8) * d;
    out[k + 16] = static_cast<float>((both >> 4) - 8) * d;
  }
}
constexpr CodecPlane kNibblePlanes[] = {{"blocks", 18, 0}};
const Codec kNibbles = {"q4_0", "", 4.5, 32, kNibblePlanes, 2, nullptr, nullptr, nullptr, decode_nibbles};
// A codec that no kernel knows.
const Codec kUnknown = {"unknown", "", 4.5, 32, kNibblePlanes, 2, nullptr, nullptr, nullptr, decode_nibbles};

std::vector<const Codec*> tested_codecs() {
  std::vector<const Codec*> all(codecs().begin(), codecs().end());
  if (!find_codec(kNibbles.name)) all.push_back(&kNibbles);
  all.push_back(&kUnknown);
  return all;
}

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed, double scale = 1) {
  Random random(seed);
  Matrix m(rows, cols);
  for (float& v : m.flat()) v = static_cast<float>(scale * random.normal());
  return m;
}

void fill_with_bytes(PackedTensor& packed, Random& random) {
  for (std::size_t p = 0; p < packed.codec().planes.size(); ++p) {
    for (std::byte& byte : packed.plane(p)) byte = static_cast<std::byte>(random.below(256));
  }
}

PackedTensor random_rows(const Codec& codec, std::size_t rows, std::size_t cols, std::uint64_t seed) {
  if (!codec.fit) {
    PackedTensor packed(codec, {rows, cols});
    Random random(seed);
    fill_with_bytes(packed, random);
    for (std::size_t at = 0; at < packed.plane(0).size(); at += 18) {
      store(&packed.plane(0)[at], f32_to_f16(static_cast<float>(0.01 * random.normal())));
    }
    return packed;
  }
  const Matrix weights = random_matrix(rows, cols, seed, 0.02);
  std::vector<float> importance(cols);  // so that outliers do not stand in the first columns
  for (std::size_t c = 0; c < cols; ++c) importance[c] = static_cast<float>(1 + c * 7 % 31);
  return encode_tensor(codec, weights.view(), importance);
}

PackedView view_of(const PackedTensor& packed) {
  PackedView view{&packed.codec(), packed.layout()};
  for (std::size_t p = 0; p < packed.codec().planes.size(); ++p) view.planes[p] = packed.plane(p).data();
  return view;
}

std::size_t some_cols(const Codec& codec) {
  return codec.block == 0 ? codec.divides(101) ? 101 : 102 : codec.block == 32 ? 7 * 32 : 3 * 256;
}

Matrix product_by(const DotKernels& kernels, const PackedTensor& packed, const Matrix& x) {
  Matrix y(x.rows(), packed.layout().rows);
  packed_product_by(kernels, view_of(packed), PackedInput(packed.codec(), x.view()), 0, y.view());
  return y;
}

// Activation k of a token as the kernels see it.
double seen(const DotOperand& x, std::size_t token, std::size_t k) {
  std::size_t at = token * x.padded + k;
  if (x.form == OperandForm::kFloats) return x.floats[at];
  if (x.form == OperandForm::kHalves32)
    at = token * x.padded + k / 128 * 128 + k % 32 / 16 * 64 + k % 128 / 32 * 16 + k % 16;
  const std::size_t which = x.form == OperandForm::kBlocks256 ? 2 * (k / 256) : k / 32;
  return double{x.scales[token * x.scale_stride + which]} * x.codes[at];
}

bool same_bits(const Matrix& a, const Matrix& b) {
  return std::ranges::equal(a.flat(), b.flat(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y) || (std::isnan(x) && std::isnan(y));
  });
}

class PackedProduct : public testing::TestWithParam<const DotKernels*> {
 protected:
  void SetUp() override {
    if (!GetParam()->usable()) GTEST_SKIP() << "this processor has no " << GetParam()->name;
  }
};

// Exact in the integers: what is left is the rounding of one product of scales and one sum a block, in float, each a
// 2^-24 of partial sums that the largest weight bounds.
void expect_exact_integers(const DotKernels& kernels, const PackedTensor& packed, const Matrix& x) {
  const Matrix y = product_by(kernels, packed, x);
  const PackedInput input(packed.codec(), x.view());
  const std::size_t cols = packed.layout().cols;
  std::vector<float> weights(cols);
  for (std::size_t r = 0; r < packed.layout().rows; ++r) {
    decode_rows(packed.codec(), packed.row(0), r, {weights.data(), 1, cols, cols});
    double largest = 0;
    for (const float w : weights) largest = std::max(largest, std::abs(double{w}));
    for (std::size_t t = 0; t < x.rows(); ++t) {
      double sum = 0, bound = 1e-37;
      for (std::size_t k = 0; k < cols; ++k) {
        sum += weights[k] * seen(input.operand(), t, k);
        bound += 1e-6 * largest * std::abs(seen(input.operand(), t, k));
      }
      EXPECT_NEAR(y.row(t)[r], sum, bound) << packed.codec().name << ", row " << r << ", token " << t;
    }
  }
}

TEST_P(PackedProduct, MatchesDecodedWeightsInDouble) {
  for (const Codec* codec : tested_codecs()) {
    for (const std::size_t tokens : {1, 2, 3, 4, 5, 9}) {
      const std::size_t cols = some_cols(*codec);
      expect_exact_integers(*GetParam(), random_rows(*codec, 11, cols, 1), random_matrix(tokens, cols, 2));
    }
  }
}

TEST_P(PackedProduct, RoundingOfActivationsIsWithinHalfACode) {
  for (const Codec* codec : tested_codecs()) {
    const std::size_t cols = some_cols(*codec), block = codec->block == 256 ? 256 : 32;
    const PackedTensor packed = random_rows(*codec, 5, cols, 1);
    const Matrix x = random_matrix(3, cols, 2), y = product_by(*GetParam(), packed, x);
    std::vector<float> weights(cols);
    for (std::size_t r = 0; r < 5; ++r) {
      decode_rows(packed.codec(), packed.row(0), r, {weights.data(), 1, cols, cols});
      for (std::size_t t = 0; t < 3; ++t) {
        double sum = 0, bound = 0;
        for (std::size_t k = 0; k < cols; ++k) {
          const std::size_t first = k / block * block;
          const auto of_block = x.row(t).subspan(first, std::min(block, cols - first));
          double largest = 0;
          for (const float v : of_block) largest = std::max(largest, std::abs(double{v}));
          sum += double{weights[k]} * x.row(t)[k];
          bound += std::abs(weights[k]) * largest / 127 * 0.5001;
        }
        EXPECT_NEAR(y.row(t)[r], sum, bound + 1e-6) << codec->name;
      }
    }
  }
}

TEST_P(PackedProduct, GivesTheBitsOfThePortableKernel) {
  for (const Codec* codec : tested_codecs()) {
    if (codec->round_rows) continue;  // decoded as others are, and slow to encode
    const std::size_t unit = codec->block == 0 ? 1 : codec->block;
    const std::vector<std::size_t> multiples =
        codec->block == 0 ? std::vector<std::size_t>{1, 15, 16, 17, 32, 96, 160} : std::vector<std::size_t>{1, 2, 5};
    for (const std::size_t multiple : multiples) {
      const std::size_t cols = multiple * unit;
      for (std::size_t tokens = 1; tokens <= 9; ++tokens) {
        const PackedTensor packed = random_rows(*codec, 1 + tokens % 9, cols, tokens);
        const Matrix x = random_matrix(tokens, cols, multiple);
        EXPECT_TRUE(same_bits(product_by(*GetParam(), packed, x), product_by(kPortableDots, packed, x)))
            << codec->name << ", " << cols << " columns, " << tokens << " tokens";
      }
    }
  }
}

// Any bytes a file may hold: codes of -128, negative sub-block scales, all nibbles set.
TEST_P(PackedProduct, GivesTheBitsOfThePortableKernelForAnyBytes) {
  Random random(7);
  for (const Codec* codec : tested_codecs()) {
    if (codec->is_measured() || codec->train) continue;  // refuses most bytes
    const std::size_t cols = codec->block == 0 ? 160 : some_cols(*codec);
    for (int round = 0; round < 20; ++round) {
      PackedTensor packed(*codec, {6, cols});
      fill_with_bytes(packed, random);
      const Matrix x = random_matrix(3, cols, 100 + static_cast<std::uint64_t>(round));
      EXPECT_TRUE(same_bits(product_by(*GetParam(), packed, x), product_by(kPortableDots, packed, x))) << codec->name;
    }
  }
}

// The largest integers of every kernel: no 16-bit sum on the way may saturate.
TEST_P(PackedProduct, LargestCodesDoNotSaturate) {
  for (const Codec* codec : tested_codecs()) {
    if (codec->block == 0 && code_layout(*codec) != CodeLayout::kBytes) continue;  // not numbers with these bytes
    if (codec->block != 0 && !has_fused_product(*codec)) continue;                 // multiplied as floats
    for (const unsigned byte : {0x00u, 0x7fu, 0x80u, 0xffu}) {
      for (const float sign : {1.0f, -1.0f}) {
        const std::size_t cols = codec->block == 0 ? 64 : 2 * codec->block;
        PackedTensor packed(*codec, {4, cols});
        for (std::size_t p = 0; p < codec->planes.size(); ++p) std::ranges::fill(packed.plane(p), std::byte(byte));
        const std::uint16_t one = codec->block == 0 ? f32_to_bf16(1.0f) : f32_to_f16(1.0f);
        for (std::size_t r = 0; r < 4; ++r) {
          if (codec->block == 0) store(packed.row(r)[1], one);
          for (std::size_t b = 0; codec->block != 0 && b < 2; ++b) {
            std::byte* block = packed.row(r)[0] + b * codec->planes[0].bytes_per_block;
            const bool is_ternary_block = is_ternary(*codec), six = code_layout(*codec) == CodeLayout::kSymmetric6;
            const std::size_t scale = is_ternary_block ? codec->planes[0].bytes_per_block - 2 : six ? 208 : 0;
            store(block + scale, one);
            if (codec->block == 256 && !six && !is_ternary_block) store(block + 2, one);
          }
        }
        Matrix x(2, cols);
        for (float& v : x.flat()) v = 127.0f * sign;
        for (std::size_t k = 0; k < cols; k += 2) x.row(1)[k] = -127.0f * sign;
        expect_exact_integers(*GetParam(), packed, x);
      }
    }
  }
}

TEST_P(PackedProduct, ExtremeScalesOfActivations) {
  for (const Codec* codec : tested_codecs()) {
    const std::size_t cols = some_cols(*codec);
    const PackedTensor packed = random_rows(*codec, 3, cols, 1);
    for (const double scale : {1e-30, 1e-10, 1e10, 1e30}) {
      expect_exact_integers(*GetParam(), packed, random_matrix(2, cols, 2, scale));
    }
    EXPECT_TRUE(std::ranges::all_of(product_by(*GetParam(), packed, Matrix(2, cols)).flat(),
                                    [](float v) { return v == 0.0f; }));
  }
}

TEST_P(PackedProduct, ANanStaysInItsToken) {
  for (const Codec* codec : tested_codecs()) {
    const std::size_t cols = some_cols(*codec);
    const PackedTensor packed = random_rows(*codec, 5, cols, 1);
    Matrix x = random_matrix(6, cols, 2);
    const Matrix before = product_by(*GetParam(), packed, x);
    x.row(1)[cols / 2] = std::numeric_limits<float>::quiet_NaN();
    x.row(4)[cols - 1] = std::numeric_limits<float>::infinity();
    const Matrix after = product_by(*GetParam(), packed, x);
    for (std::size_t t = 0; t < 6; ++t) {
      for (std::size_t r = 0; r < 5; ++r) {
        if (t == 1 || t == 4) {
          EXPECT_FALSE(std::isfinite(after.row(t)[r])) << codec->name;
        } else {
          EXPECT_EQ(after.row(t)[r], before.row(t)[r]) << codec->name;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, PackedProduct, testing::ValuesIn(all_dot_kernels().begin(), all_dot_kernels().end()),
                         [](const auto& kernels) { return std::string(kernels.param->name); });

TEST(PackedProductSplits, RowsAndTokensMayBeSplitAnyHow) {
  for (const Codec* codec : tested_codecs()) {
    const std::size_t cols = some_cols(*codec), rows = 37;
    const PackedTensor packed = random_rows(*codec, rows, cols, 1);
    const Matrix x = random_matrix(7, cols, 2);
    Matrix whole(7, rows), pieces(7, rows), alone(1, rows);
    const PackedInput input(*codec, x.view());
    packed_product(view_of(packed), input, 0, whole.view());
    ThreadPool pool(4);
    parallel_for(pool, rows, 5, [&](std::size_t begin, std::size_t end) {
      packed_product(view_of(packed), input, begin, {pieces.flat().data() + begin, 7, end - begin, rows});
    });
    EXPECT_TRUE(same_bits(whole, pieces)) << codec->name;
    packed_product(view_of(packed), PackedInput(*codec, {x.row(6).data(), 1, cols, cols}), 0, alone.view());
    EXPECT_TRUE(std::ranges::equal(alone.row(0), whole.row(6))) << codec->name;
  }
}

TEST(PackedProductSplits, NoRowsAndNoTokens) {
  for (const Codec* codec : tested_codecs()) {
    const std::size_t cols = some_cols(*codec);
    const PackedTensor packed = random_rows(*codec, 2, cols, 1);
    Matrix none(1, 0), no_tokens(0, 2);
    packed_product(view_of(packed), PackedInput(*codec, Matrix(1, cols).view()), 1, none.view());
    packed_product(view_of(packed), PackedInput(*codec, Matrix(0, cols).view()), 0, no_tokens.view());
  }
}

TEST(PackedProductChecks, RefusesOtherExtentsAndForms) {
  const Codec& q8 = *find_codec("q8_0");
  const PackedTensor packed = random_rows(q8, 4, 256, 1);
  Matrix y(1, 4), wide(1, 5);
  EXPECT_THROW(packed_product(view_of(packed), PackedInput(q8, Matrix(1, 224).view()), 0, y.view()), Error);
  EXPECT_THROW(packed_product(view_of(packed), PackedInput(q8, Matrix(1, 256).view()), 0, wide.view()), Error);
  EXPECT_THROW(packed_product(view_of(packed), PackedInput(q8, Matrix(1, 256).view()), 1, y.view()), Error);
  EXPECT_THROW(packed_product(view_of(packed), PackedInput(q8, Matrix(2, 256).view()), 0, y.view()), Error);
  const PackedInput floats(*find_codec("f32"), Matrix(1, 256).view());
  EXPECT_FALSE(floats.serves(q8));
  EXPECT_TRUE(floats.serves(*find_codec("bf16")));
  EXPECT_THROW(packed_product(view_of(packed), floats, 0, y.view()), Error);
}

TEST(PackedProductChecks, KnowsWhichCodecsAreFused) {
  for (const char* name : {"f32", "f16", "bf16", "q8_0", "int8_channel", "q6_k", "q5_k", "q4_k", "seedlm_4", "seedlm_3",
                           "vptq_v8_k256", "vptq_v6_k4096_r4096", "hyper_1600", "hyper_225_rans"}) {
    EXPECT_TRUE(has_fused_product(*find_codec(name))) << name;
  }
  EXPECT_TRUE(has_fused_product(kNibbles));
  EXPECT_FALSE(has_fused_product(kUnknown));
}

// A row whose bytes are no codes is refused as decoding refuses it.
TEST(PackedProductChecks, RefusesBytesThatAreNoCodes) {
  for (const char* name : {"hyper_1600", "hyper_225", "seedlm_4", "seedlm_3"}) {
    const Codec& codec = *find_codec(name);
    PackedTensor packed = random_rows(codec, 4, 96, 1);
    const std::size_t bytes = packed.codec().plane_row_bytes(0, 96);
    const std::byte none = std::byte(std::string_view(name).starts_with("hyper") ? 0xff : 0);
    std::fill_n(packed.row(2)[0], bytes, none);
    Matrix y(1, 1);
    const PackedInput x(codec, Matrix(1, 96).view());
    packed_product(view_of(packed), x, 1, y.view());
    EXPECT_THROW(packed_product(view_of(packed), x, 2, y.view()), Error) << name;
  }
}

TEST(PackedInput, RoundsToTheNearestOf127Steps) {
  const Matrix x = random_matrix(3, 96, 5);
  const PackedInput input(*find_codec("q8_0"), x.view());
  for (std::size_t t = 0; t < 3; ++t) {
    for (std::size_t b = 0; b < 3; ++b) {
      const auto block = x.row(t).subspan(32 * b, 32);
      const float largest = std::abs(*std::ranges::max_element(block, {}, [](float v) { return std::abs(v); }));
      for (std::size_t k = 0; k < 32; ++k) {
        EXPECT_NEAR(seen(input.operand(), t, 32 * b + k), block[k], largest / 127 * 0.50001);
      }
    }
  }
}

}  // namespace
}  // namespace quern
