// A run of columns at a time: what all others do to them in one product, then each with those of its run.
#include "optim/descent.h"

#include <algorithm>

namespace quern {
namespace {

constexpr std::size_t kRun = 32;

class Descent {
 public:
  Descent(const TiledMatrix& matrix, const Codec& codec, std::span<const float> importance, RoundedRows& rows)
      : matrix_(matrix), codec_(codec), importance_(importance), rows_(rows) {}

  // Whether any code changed.
  bool sweep() {
    const std::size_t columns = rows_.weights.cols;
    bool changed = false;
    for (std::size_t first = 0; first < columns; first += kRun) {
      const std::size_t last = std::min(first + kRun, columns);
      Columns gradient(kRun, rows_.weights.rows);
      add_product(matrix_, rows_.errors, {0, first}, first, last - first, gradient, 0);
      add_product(matrix_, rows_.errors, {last, columns}, first, last - first, gradient, 0);
      for (std::size_t j = first; j < last; ++j) {
        add_product(matrix_, rows_.errors, {first, last}, j, 1, gradient, j - first);
        if (move_column(j, gradient.column(j - first))) changed = true;
      }
    }
    return changed;
  }

 private:
  bool move_column(std::size_t j, const float* gradient) {
    const auto place = static_cast<std::uint32_t>(j % rows_.block);
    const std::span<const float> importance = importance_.empty() ? importance_ : importance_.subspan(j, 1);
    const double curvature = matrix_.at(j, j);
    float* errors = rows_.errors.column(j);
    bool changed = false;
    for (std::size_t r = 0; r < rows_.weights.rows; ++r) {
      const float weight = rows_.weights.row(r)[j], value = weight - errors[r];
      const double slope = gradient[r];
      const auto wanted = static_cast<float>(static_cast<double>(value) + slope / curvature);
      std::int32_t code = 0;
      float rounded = 0;
      codec_.round(codec_, rows_.side(codec_, r, j / rows_.block), place, {&wanted, 1}, importance, {&code, 1},
                   {&rounded, 1});
      if (code == rows_.row_codes(r)[j]) continue;
      const double step = static_cast<double>(rounded) - static_cast<double>(value);
      if (!(step * (step * curvature - 2 * slope) < 0)) continue;
      rows_.row_codes(r)[j] = code;
      errors[r] = weight - rounded;
      changed = true;
    }
    return changed;
  }

  const TiledMatrix& matrix_;
  const Codec& codec_;
  std::span<const float> importance_;
  RoundedRows& rows_;
};

}  // namespace

void descend(const TiledMatrix& matrix, const Codec& codec, std::span<const float> importance, int sweeps,
             RoundedRows& rows) {
  Descent descent(matrix, codec, importance, rows);
  for (int i = 0; i < sweeps && descent.sweep(); ++i) {
  }
}

}  // namespace quern
