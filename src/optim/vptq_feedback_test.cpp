// Error feedback of codecs whose vectors run along the outputs, on rows enough for their codebooks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "codec/vptq_codebook.h"
#include "optim/feedback.h"
#include "optim/hessian_fixture.h"
#include "optim/optimizer.h"

namespace quern {
namespace {

constexpr std::size_t kRows = 250;  // a stripe of 3, 4 or 8 is filled up

struct Case {
  std::size_t cols;
  Matrix rows;
  std::vector<double> h;
  InputContext inputs;
  Matrix x;  // that h and inputs are of

  // Inputs of column c are multiplied by e^(spread * a normal number).
  explicit Case(std::size_t columns, double spread = 0, std::size_t outputs = kRows)
      : cols(columns), rows(outputs, columns), x(correlated_inputs(columns / 2, columns, 1)) {
    Random random(3);
    for (float& value : rows.flat()) value = static_cast<float>(random.normal() * 0.02);
    for (std::size_t c = 0; c < cols; ++c) enlarge({c}, std::exp(spread * random.normal()));
    look_at_inputs();
  }

  // Inputs of these columns are multiplied.
  void enlarge(std::initializer_list<std::size_t> columns, double by) {
    for (const std::size_t c : columns)
      for (std::size_t t = 0; t < x.rows(); ++t) x.row(t)[c] *= static_cast<float>(by);
  }

  void look_at_inputs() {
    const std::vector<float> upper = hessian_of(x);
    h = full(upper, cols);
    std::vector<double> moments;
    for (std::size_t c = 0; c < cols; ++c) moments.push_back(h[c * cols + c]);
    inputs = input_context(moments, factorise({cols, 1000 * cols, upper}));
  }

  PackedTensor untouched(const Codec& codec, std::span<const float> importance) const {
    return {trained_on(codec, rows.view(), importance), {rows.rows(), cols}};
  }

  double error(const char* optimizer, const Codec& codec, std::span<const float> importance) const {
    PackedTensor packed = untouched(codec, importance);
    find_optimizer(optimizer).encode(inputs, rows.view(), packed);
    return measure_error(rows.view(), inputs, packed).output;
  }
};

TEST(VptqFeedback, LosesLessThanRounding) {
  const Case known(256);
  for (const char* name : {"vptq_v2_k16", "vptq_v3_k64", "vptq_v4_k256", "vptq_v2_k64", "vptq_v8_k256"}) {
    const Codec& codec = *find_codec(name);
    const double plain = known.error("rtn", codec, {}), weighted = known.error("rtn", codec, known.inputs.importance),
                 feedback = known.error("ldlq", codec, known.inputs.importance),
                 descent = known.error("descent", codec, known.inputs.importance);
    EXPECT_LT(feedback, 0.8 * weighted) << name;
    EXPECT_LT(feedback, 0.7 * plain) << name;
    EXPECT_LT(descent, 0.97 * feedback) << name;
  }
}

// U of H = U diag(p) U^T from the last column to the first, as the definition has it, row-major.
std::vector<double> upper_by_hand(const std::vector<double>& h, std::size_t n) {
  std::vector<double> u(n * n, 0.0), p(n);
  for (std::size_t j = n; j-- > 0;)
    for (std::size_t i = j + 1; i-- > 0;) {
      double left = h[i * n + j];
      for (std::size_t k = j + 1; k < n; ++k) left -= p[k] * u[i * n + k] * u[j * n + k];
      if (i == j) p[j] = left;
      u[i * n + j] = left / p[j];
    }
  return u;
}

// Column by column in `order`, in double: the decoded matrix.
Matrix fed_back_by_hand(const Case& known, const Codec& codec, const std::vector<std::size_t>& order) {
  const std::size_t n = known.cols;
  std::vector<double> h(n * n), errors(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      h[i * n + j] = known.h[order[i] * n + order[j]] + (i == j ? known.inputs.hessian->added()[order[i]] : 0);
  const std::vector<double> u = upper_by_hand(h, n);
  Matrix decoded(kRows, n);
  for (std::size_t first = 0; first < kRows; first += codec.stripe) {
    std::vector<std::vector<double>> left(n, std::vector<double>(codec.stripe));
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<float> wanted(codec.stripe), values(codec.stripe);
      std::vector<std::int32_t> codes(codec.stripe);
      for (std::size_t r = 0; r < codec.stripe; ++r) {
        double sum = first + r < kRows ? static_cast<double>(known.rows.row(first + r)[order[j]]) : 0;
        for (std::size_t i = 0; i < j; ++i) sum += left[i][r] * u[i * n + j];
        wanted[r] = static_cast<float>(first + r < kRows ? sum : 0);
      }
      codec.round(codec, nullptr, static_cast<std::uint32_t>(order[j] * codec.stripe), wanted, {}, codes, values);
      for (std::size_t r = 0; r < codec.stripe && first + r < kRows; ++r) {
        decoded.row(first + r)[order[j]] = values[r];
        left[j][r] = static_cast<double>(known.rows.row(first + r)[order[j]]) - static_cast<double>(values[r]);
      }
    }
  }
  return decoded;
}

TEST(VptqFeedback, GoesThroughColumnsByDescendingPower) {
  const Case known(64, 1);
  std::vector<std::size_t> order;  // each time the largest that is left
  for (std::vector<bool> taken(known.cols); order.size() < known.cols; taken[order.back()] = true) {
    std::size_t best = known.cols;
    for (std::size_t j = 0; j < known.cols; ++j)
      if (!taken[j] && (best == known.cols || known.inputs.moments[j] > known.inputs.moments[best])) best = j;
    order.push_back(best);
  }
  for (const char* name : {"vptq_v3_k64", "vptq_v4_k256_r256", "vptq_v8_k256", "vptq_v4_k256_o256"}) {
    PackedTensor packed = known.untouched(*find_codec(name), known.inputs.importance);
    find_optimizer("ldlq").encode(known.inputs, known.rows.view(), packed);
    Matrix ours(kRows, known.cols);
    decode_rows(packed.codec(), std::as_const(packed).row(0), 0, ours.view());
    const Matrix theirs = fed_back_by_hand(known, packed.codec(), order);
    std::size_t same = 0;
    for (std::size_t i = 0; i < ours.flat().size(); ++i) same += ours.flat()[i] == theirs.flat()[i];
    // A vector on the edge between two centroids may fall either way, and those behind it with it.
    EXPECT_GE(static_cast<double>(same), 0.99 * static_cast<double>(ours.flat().size())) << name;
  }
}

TEST(VptqFeedback, LosesLessThanInTheOrderOfColumns) {
  const Case known(256, 1);
  for (const char* name : {"vptq_v3_k64", "vptq_v4_k256", "vptq_v8_k256", "vptq_v4_k256_o256"}) {
    const Codec& codec = *find_codec(name);
    PackedTensor packed = known.untouched(codec, known.inputs.importance);
    encode_with_feedback(*known.inputs.hessian, known.rows.view(), known.inputs.importance, packed);
    EXPECT_LT(known.error("ldlq", codec, known.inputs.importance),
              0.9 * measure_error(known.rows.view(), known.inputs, packed).output)
        << name;
  }
}

// Some inputs a hundred times larger than the others, as a few of real layers are, and more of their vectors than there
// are centroids.
TEST(VptqFeedback, ColumnsOfOutliersLoseLessWhereInputsAreLarge) {
  Case known(256, 0, 2048);
  known.enlarge({17, 90, 201}, 100);
  known.look_at_inputs();
  const Codec &plain = *find_codec("vptq_v4_k256"), &with_outliers = *find_codec("vptq_v4_k256_o256");
  for (const char* optimizer : {"rtn", "ldlq", "descent"})
    EXPECT_LT(known.error(optimizer, with_outliers, known.inputs.importance),
              0.9 * known.error(optimizer, plain, known.inputs.importance))
        << optimizer;
}

// Consecutive rows of a column that choose among centroids.
struct Piece {
  std::size_t row, column;
  const Centroids* among;
};

// Of all stripes that are whole: the others are filled up with rows of zeros, which are searched with them.
std::vector<Piece> pieces_of(const VptqCodebook& codebook, std::size_t rows, std::size_t cols) {
  std::vector<Piece> pieces;
  const std::size_t stripe = codebook.shape().length;
  for (std::size_t row = 0; row + stripe <= rows; row += stripe)
    for (std::size_t c = 0; c < cols; ++c) {
      const bool is_outlier = std::ranges::binary_search(codebook.outliers(), c);
      const Centroids& among = is_outlier ? codebook.of_outliers() : codebook.centroids();
      for (std::size_t at = 0; at < stripe; at += among.length()) pieces.push_back({row + at, c, &among});
    }
  return pieces;
}

// Every vector (half of one) beside all centroids, with all others of its rows as they are.
TEST(VptqFeedback, LeavesNoVectorThatAnotherCentroidWouldBeat) {
  const Case known(64);
  for (const char* name : {"vptq_v3_k64", "vptq_v4_k256_o256"}) {
    PackedTensor packed = known.untouched(*find_codec(name), known.inputs.importance);
    encode_with_feedback(known.inputs, known.rows.view(), packed, {.sweeps = 1000});
    const std::size_t n = known.cols;
    const VptqCodebook& codebook = vptq_codebook(packed.codec());
    Matrix q(kRows, n);
    decode_rows(packed.codec(), std::as_const(packed).row(0), 0, q.view());
    std::vector<double> h = known.h, gradient(kRows * n);
    for (std::size_t c = 0; c < n; ++c) h[c * n + c] += known.inputs.hessian->added()[c];
    const auto error = [&](std::size_t r, std::size_t c, float value) {
      return static_cast<double>(known.rows.row(r)[c]) - static_cast<double>(value);
    };
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) gradient[r * n + j] += error(r, i, q.row(r)[i]) * h[i * n + j];
    std::size_t beaten = 0;
    for (const auto& [row, j, among] : pieces_of(codebook, kRows, n))
      for (std::size_t k = 0; k < among->count(); ++k) {
        double change = 0;
        for (std::size_t d = 0; d < among->length(); ++d) {
          const double step =
              static_cast<double>(among->at(k)[d] * codebook.scale()) - static_cast<double>(q.row(row + d)[j]);
          change += step * (step * h[j * n + j] - 2 * gradient[(row + d) * n + j]);
        }
        if (change < -1e-6 * h[j * n + j] * 4e-4) ++beaten;
      }
    EXPECT_EQ(beaten, 0u) << name;
  }
}

}  // namespace
}  // namespace quern
