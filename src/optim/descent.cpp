// The gradient of every row is taken once and kept up to date: few codes change, and each change adds one row of H.
#include "optim/descent.h"

#include <algorithm>

#include "codec/stripes.h"

namespace quern {
namespace {

// D H, [rows, columns].
Matrix gradient_of(const TiledMatrix& matrix, const Columns& errors, std::size_t rows) {
  constexpr std::size_t kRun = 64;
  const std::size_t columns = matrix.columns();
  Matrix gradient(rows, columns);
  for (std::size_t first = 0; first < columns; first += kRun) {
    const std::size_t count = std::min(kRun, columns - first);
    Columns run(kRun, rows);
    add_product(matrix, errors, {0, columns}, first, count, run, 0);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < count; ++k) gradient.row(r)[first + k] = run.column(k)[r];
  }
  return gradient;
}

class Descent {
 public:
  Descent(const TiledMatrix& matrix, const Codec& codec, std::span<const float> importance, RoundedRows& rows)
      : matrix_(matrix),
        codec_(codec),
        importance_(importance),
        rows_(rows),
        gradient_(gradient_of(matrix, rows.errors, rows.weights.rows)),
        curvature_(matrix.columns()) {}

  // Whether any code changed.
  bool sweep() {
    bool changed = false;
    for (std::size_t j = 0; j < rows_.weights.cols; ++j)
      if (codec_.stripe > 1 ? move_stripes(j) : move_rows(j)) changed = true;
    return changed;
  }

 private:
  bool move_rows(std::size_t j) {
    bool changed = false;
    for (std::size_t r = 0; r < rows_.weights.rows; ++r) {
      const float step = moved(r, j);
      if (step == 0) continue;
      if (!changed) take_curvature(j);
      changed = true;
      follow(r, step);
    }
    return changed;
  }

  // Column j of all stripes: what each is best as is searched in one.
  bool move_stripes(std::size_t j) {
    const std::size_t stripe = codec_.stripe, stripes = codec_.stripes(rows_.weights.rows);
    const float* errors = rows_.errors.column(j);
    Matrix wanted(stripes, stripe), values(stripes, stripe);
    for (std::size_t r = 0; r < rows_.weights.rows; ++r)
      wanted.flat()[r] = best_value(r, j, rows_.weights.row(r)[j] - errors[r]);
    const std::span<const float> importance = importance_.empty() ? importance_ : importance_.subspan(j, 1);
    std::vector<std::int32_t> codes(stripes * stripe);
    round_rows(codec_, rows_.sides, static_cast<std::uint32_t>(j * stripe), wanted.view(), repeated(importance, stripe),
               codes, values.flat());
    bool changed = false;
    for (std::size_t s = 0; s < stripes; ++s) {
      const std::span<const std::int32_t> others = std::span(codes).subspan(s * stripe, stripe);
      const std::span<std::int32_t> own = std::span(rows_.codes).subspan((s * rows_.weights.cols + j) * stripe, stripe);
      if (std::ranges::equal(own, others) || !(change_of_loss(s, j, values.row(s)) < 0)) continue;
      if (!changed) take_curvature(j);
      changed = true;
      std::ranges::copy(others, own.begin());
      move_stripe(s, j, values.row(s));
    }
    return changed;
  }

  // In tr(D H D^T), where column j of a stripe becomes these values.
  double change_of_loss(std::size_t s, std::size_t j, std::span<const float> values) const {
    const double curvature = matrix_.at(j, j);
    double sum = 0;
    for (std::size_t k = 0, r = s * values.size(); k < values.size() && r < rows_.weights.rows; ++k, ++r) {
      const double step = step_of(r, j, values[k]);
      sum += step * (step * curvature - 2 * static_cast<double>(gradient_.row(r)[j]));
    }
    return sum;
  }

  void move_stripe(std::size_t s, std::size_t j, std::span<const float> values) {
    for (std::size_t k = 0, r = s * values.size(); k < values.size() && r < rows_.weights.rows; ++k, ++r) {
      follow(r, static_cast<float>(step_of(r, j, values[k])));
      rows_.errors.column(j)[r] = rows_.weights.row(r)[j] - values[k];
    }
  }

  // By how much the decoded value goes up.
  double step_of(std::size_t r, std::size_t j, float to) const {
    const float value = rows_.weights.row(r)[j] - rows_.errors.column(j)[r];
    return static_cast<double>(to) - static_cast<double>(value);
  }

  float best_value(std::size_t r, std::size_t j, float value) const {
    const double slope = gradient_.row(r)[j], curvature = matrix_.at(j, j);
    return static_cast<float>(static_cast<double>(value) + slope / curvature);
  }

  void take_curvature(std::size_t j) {
    for (std::size_t k = 0; k < curvature_.size(); ++k) curvature_[k] = matrix_.at(k, j);
  }

  // A row's gradient, where its value in the column of `curvature_` went up by `step`.
  void follow(std::size_t r, float step) {
    float* gradient = gradient_.row(r).data();
    for (std::size_t k = 0; k < curvature_.size(); ++k) gradient[k] -= step * curvature_[k];
  }

  // By how much the decoded value of column j of a row went up; 0 where its code stays.
  float moved(std::size_t r, std::size_t j) {
    const auto place = static_cast<std::uint32_t>(j % rows_.block);
    const std::span<const float> importance = importance_.empty() ? importance_ : importance_.subspan(j, 1);
    float& error = rows_.errors.column(j)[r];
    std::int32_t& code = rows_.row_codes(r)[j];
    const float weight = rows_.weights.row(r)[j], value = weight - error;
    const double slope = gradient_.row(r)[j], curvature = matrix_.at(j, j);
    const float wanted = best_value(r, j, value);
    std::int32_t other = 0;
    float rounded = 0;
    codec_.round(codec_, rows_.side(codec_, r, j / rows_.block), place, {&wanted, 1}, importance, {&other, 1},
                 {&rounded, 1});
    if (other == code) return 0;
    const double step = static_cast<double>(rounded) - static_cast<double>(value);
    if (!(step * (step * curvature - 2 * slope) < 0)) return 0;
    code = other;
    error = weight - rounded;
    return static_cast<float>(step);
  }

  const TiledMatrix& matrix_;
  const Codec& codec_;
  std::span<const float> importance_;
  RoundedRows& rows_;
  Matrix gradient_;
  std::vector<float> curvature_;  // of the column at hand: its row of H
};

}  // namespace

void descend(const TiledMatrix& matrix, const Codec& codec, std::span<const float> importance, int sweeps,
             RoundedRows& rows) {
  if (sweeps == 0) return;
  Descent descent(matrix, codec, importance, rows);
  for (int i = 0; i < sweeps && descent.sweep(); ++i) {
  }
}

}  // namespace quern
