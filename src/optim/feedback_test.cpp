// Error feedback against GPTQ written down as its paper has it, and over every number format.
#include "optim/feedback.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "optim/descent.h"
#include "optim/hessian_fixture.h"
#include "optim/optimizer.h"

namespace quern {
namespace {

constexpr std::size_t kRows = 20, kCols = 512;

Matrix random_rows(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Random random(seed);
  Matrix matrix(rows, cols);
  for (float& v : matrix.flat()) v = static_cast<float>(random.normal() * 0.02);
  return matrix;
}

Matrix decoded(const PackedTensor& packed) {
  Matrix matrix(packed.layout().rows, packed.layout().cols);
  decode_rows(packed.codec(), packed.row(0), 0, matrix.view());
  return matrix;
}

// tr((W - Q) H (W - Q)^T) in double.
double trace(const Matrix& w, const Matrix& q, const std::vector<double>& h) {
  double sum = 0;
  for (std::size_t r = 0; r < w.rows(); ++r)
    for (std::size_t i = 0; i < w.cols(); ++i)
      for (std::size_t j = 0; j < w.cols(); ++j)
        sum += (static_cast<double>(w.row(r)[i]) - static_cast<double>(q.row(r)[i])) * h[i * w.cols() + j] *
               (static_cast<double>(w.row(r)[j]) - static_cast<double>(q.row(r)[j]));
  return sum;
}

struct Known {
  std::vector<float> upper;
  InputContext inputs;

  explicit Known(std::size_t columns) : upper(hessian_of(correlated_inputs(columns / 2, columns, 1))) {
    std::vector<double> moments;
    const std::vector<double> h = full(upper, columns);
    for (std::size_t c = 0; c < columns; ++c) moments.push_back(h[c * columns + c]);
    inputs = input_context(moments, factorise({columns, 1000 * columns, upper}));
  }
};

// Made once for all tests: the inputs of kCols columns take as long as everything else.
const Known& known_inputs() {
  static const Known known(kCols);
  return known;
}

PackedTensor encoded(const char* optimizer, const Codec& codec, const Matrix& rows, const InputContext& inputs) {
  PackedTensor packed(trained_on(codec, rows.view()), {rows.rows(), rows.cols()});
  find_optimizer(optimizer).encode(inputs, rows.view(), packed);
  return packed;
}

// Frantar et al. 2022, algorithm 1 without blocks: w_k -= (w_j - q_j) / [Hinv]_jj [Hinv]_jk, with H^-1 of the columns
// that are left taken anew for each column by elimination.
Matrix gptq(const Matrix& rows, std::vector<double> h, const Codec& codec, std::span<const float> importance) {
  const std::size_t n = rows.cols();
  std::vector<std::vector<double>> w;
  std::vector<std::vector<std::byte>> sides(rows.rows(), std::vector<std::byte>(codec.side_bytes));
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    w.emplace_back(rows.row(r).begin(), rows.row(r).end());
    codec.fit(codec, rows.row(r), importance, sides[r].data());
  }
  std::vector<double> inverse(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (std::size_t p = 0; p < n; ++p) {  // Gauss-Jordan; H is positive definite
    const double pivot = h[p * n + p];
    for (std::size_t c = 0; c < n; ++c) h[p * n + c] /= pivot, inverse[p * n + c] /= pivot;
    for (std::size_t r = 0; r < n; ++r) {
      const double factor = h[r * n + p];
      for (std::size_t c = 0; r != p && c < n; ++c)
        h[r * n + c] -= factor * h[p * n + c], inverse[r * n + c] -= factor * inverse[p * n + c];
    }
  }
  Matrix q(rows.rows(), n);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      const float wanted = static_cast<float>(w[r][j]);
      std::int32_t code = 0;
      codec.round(codec, sides[r].data(), static_cast<std::uint32_t>(j), {&wanted, 1}, {}, {&code, 1},
                  {&q.row(r)[j], 1});
      const double error = (w[r][j] - static_cast<double>(q.row(r)[j])) / inverse[j * n + j];
      for (std::size_t k = j + 1; k < n; ++k) w[r][k] -= error * inverse[j * n + k];
    }
    const std::vector<double> before = inverse;  // of the columns behind j alone
    for (std::size_t a = j + 1; a < n; ++a)
      for (std::size_t b = j + 1; b < n; ++b)
        inverse[a * n + b] -= before[a * n + j] * before[j * n + b] / before[j * n + j];
  }
  return q;
}

TEST(Feedback, IsGptq) {
  const std::size_t n = 48;
  const Matrix rows = random_rows(6, n, 2);
  const Known known(n);
  const Codec& codec = *find_codec("int8_channel");  // one scale a row: nothing is fitted again
  std::vector<double> damped = full(known.upper, n);
  for (std::size_t c = 0; c < n; ++c) damped[c * n + c] += known.inputs.hessian->added()[c];
  const Matrix theirs = gptq(rows, damped, codec, known.inputs.importance),
               ours = decoded(encoded("ldlq", codec, rows, known.inputs));
  std::size_t same = 0;
  for (std::size_t i = 0; i < ours.flat().size(); ++i) same += ours.flat()[i] == theirs.flat()[i];
  EXPECT_GE(same, ours.flat().size() - 3);  // a value on the edge between two codes may fall either way
}

class FeedbackOfCodec : public testing::TestWithParam<const Codec*> {};
INSTANTIATE_TEST_SUITE_P(All, FeedbackOfCodec, testing::ValuesIn(codecs().begin(), codecs().end()),
                         [](const auto& row) { return std::string(row.param->name); });

TEST_P(FeedbackOfCodec, LosesLessThanWeightedRounding) {
  const Codec& codec = *GetParam();
  if (codec.stripe > 1) GTEST_SKIP() << "so few rows fit into a codebook: vptq_feedback_test.cpp has more";
  const Known& known = known_inputs();
  const Matrix rows = random_rows(kRows, kCols, 3);
  const EncodeError rounding = measure_error(rows.view(), known.inputs, encoded("weighted", codec, rows, known.inputs)),
                    feedback = measure_error(rows.view(), known.inputs, encoded("ldlq", codec, rows, known.inputs));
  if (rounding.output == 0) {
    EXPECT_EQ(feedback.output, 0);
  } else {
    EXPECT_LT(feedback.output, 0.8 * rounding.output);
  }
}

TEST(Feedback, LosesLessWhereScalesAreFittedAgain) {
  const Known& known = known_inputs();
  const Matrix rows = random_rows(kRows, kCols, 3);
  const Codec& codec = *find_codec("q2_k");
  const auto loss = [&](int refits) {
    PackedTensor packed(codec, {rows.rows(), rows.cols()});
    encode_with_feedback(*known.inputs.hessian, rows.view(), known.inputs.importance, packed, {.refits = refits});
    return measure_error(rows.view(), known.inputs, packed).output;
  };
  EXPECT_LT(loss(1), 0.995 * loss(0));
}

TEST_P(FeedbackOfCodec, LosesLessStillAfterDescent) {
  const Codec& codec = *GetParam();
  if (codec.stripe > 1) GTEST_SKIP() << "so few rows fit into a codebook: vptq_feedback_test.cpp has more";
  const Known& known = known_inputs();
  const Matrix rows = random_rows(kRows, kCols, 3);
  const double feedback = measure_error(rows.view(), known.inputs, encoded("ldlq", codec, rows, known.inputs)).output,
               descent = measure_error(rows.view(), known.inputs, encoded("descent", codec, rows, known.inputs)).output;
  if (feedback == 0 || codec.granule > 1)
    EXPECT_EQ(descent, feedback);
  else
    EXPECT_LT(descent, 0.99 * feedback);
}

TEST_P(FeedbackOfCodec, GivesTheSameBytesHoweverRowsAreShared) {
  const Codec& codec = *GetParam();
  const Known& known = known_inputs();
  const Matrix rows = random_rows(64, kCols, 4);
  const PackedTensor whole = encoded("descent", codec, rows, known.inputs);
  const std::size_t together = std::max<std::size_t>(1, codec.rows_together(kCols)),
                    part = (rows.rows() / 2) / together * together;
  if (part == 0) GTEST_SKIP() << "all rows are one run";
  for (std::size_t first = 0; first + part <= rows.rows(); first += part) {
    const auto trained = trained_on(codec, rows.view());
    PackedTensor some(trained, {part, kCols});
    find_optimizer("descent").encode(known.inputs, {rows.row(first).data(), part, kCols, kCols}, some);
    for (std::size_t p = 0; p < codec.planes.size(); ++p) {
      const std::size_t bytes = codec.plane_row_bytes(p, kCols);
      if (codec.planes[p].holds == CodecPlane::Holds::kBlocks) {
        EXPECT_TRUE(std::ranges::equal(
            some.plane(p), whole.plane(p).subspan(codec.stripes(first) * bytes, codec.stripes(part) * bytes)))
            << "rows from " << first;
      }
    }
    for (std::size_t r = 0; codec.is_measured() && r < part; ++r)
      EXPECT_TRUE(std::ranges::equal(measured_row(std::as_const(some).row(r)), measured_row(whole.row(first + r))));
  }
}

// Every other code of every column is tried, and the trace taken anew each time.
TEST(Descent, EndsWhereNoSingleCodeIsBetter) {
  const std::size_t n = 32;
  const Matrix weights = random_rows(2, n, 6);
  const Known known(n);
  const Codec& codec = *find_codec("int4_g32");
  std::vector<double> damped = full(known.upper, n);
  for (std::size_t c = 0; c < n; ++c) damped[c * n + c] += known.inputs.hessian->added()[c];
  RoundedRows rows{weights.view(), n, std::vector<std::byte>(2 * codec.side_bytes), std::vector<std::int32_t>(2 * n),
                   columns_of(weights.view())};
  Matrix values(2, n);
  for (std::size_t r = 0; r < 2; ++r) {
    codec.fit(codec, weights.row(r), {}, rows.side(codec, r, 0));
    codec.round(codec, rows.side(codec, r, 0), 0, weights.row(r), {}, rows.row_codes(r), values.row(r));
    for (std::size_t c = 0; c < n; ++c) rows.errors.column(c)[r] -= values.row(r)[c];
  }
  const double rounded = trace(weights, values, damped);
  descend(known.inputs.hessian->matrix(), codec, {}, 100, rows);
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t c = 0; c < n; ++c) values.row(r)[c] = weights.row(r)[c] - rows.errors.column(c)[r];
  const double best = trace(weights, values, damped);
  EXPECT_LT(best, 0.8 * rounded);
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t c = 0; c < n; ++c)
      for (float wanted = -0.1f; wanted < 0.1f; wanted += 0.002f) {
        Matrix other = values;
        std::int32_t code = 0;
        codec.round(codec, rows.side(codec, r, 0), static_cast<std::uint32_t>(c), {&wanted, 1}, {}, {&code, 1},
                    {&other.row(r)[c], 1});
        EXPECT_GE(trace(weights, other, damped), best * (1 - 1e-5)) << "row " << r << ", column " << c;
      }
}

TEST(Feedback, OfWeightsOnTheGridLosesNothing) {
  const Known& known = known_inputs();
  const Codec& codec = *find_codec("q8_0");
  const Matrix on_grid = decoded(encoded("rtn", codec, random_rows(kRows, kCols, 5), {}));
  EXPECT_EQ(measure_error(on_grid.view(), known.inputs, encoded("descent", codec, on_grid, known.inputs)).plain, 0);
}

TEST(Feedback, IsWeightedRoundingWithoutAHessian) {
  const Matrix rows = random_rows(kRows, kCols, 7);
  const InputContext moments = input_context(std::vector<double>(kCols, 2.0));
  for (const Codec* codec : codecs())
    for (const char* name : {"ldlq", "descent"})
      EXPECT_EQ(decoded(encoded(name, *codec, rows, moments)).flat()[5],
                decoded(encoded("weighted", *codec, rows, moments)).flat()[5]);
}

TEST(HessianError, IsTheTrace) {
  const std::size_t n = 70;
  const Known known(n);
  const Matrix w = random_rows(5, n, 8), q = random_rows(5, n, 9);
  const double exact = trace(w, q, full(known.upper, n));
  EXPECT_NEAR(hessian_error(*known.inputs.hessian, w.view(), q.view()) / exact, 1, 1e-5);
  const double energy = trace(w, Matrix(5, n), full(known.upper, n));
  EXPECT_NEAR(hessian_error(*known.inputs.hessian, w.view(), Matrix(5, n).view()) / energy, 1, 1e-5);
}

TEST(HessianError, DoesNotSeeDeadColumns) {
  const std::vector<float> upper = hessian_of(correlated_inputs(100, 8, 10, 3));
  const Factorisation made = factorise({8, 100, upper});
  Matrix w(1, 8), q(1, 8);
  w.row(0)[3] = 5;
  EXPECT_NEAR(hessian_error(*made.factor, w.view(), q.view()), 0, 1e-6 * 25 * made.factor->added()[3]);
}

}  // namespace
}  // namespace quern
