// A panel of columns at a time: corrected by all columns before it in one product, fitted, then rounded granule by
// granule.
#include "optim/feedback.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/fail.h"
#include "codec/stripes.h"
#include "optim/descent.h"
#include "optim/tiled_product.h"

namespace quern {
namespace {

constexpr std::size_t kTile = TiledMatrix::kTile;
constexpr std::size_t kRun = 32;        // columns of a panel whose errors are passed on one by one
constexpr std::size_t kRowPanel = 128;  // columns of a panel where the whole row is one block

// A block of every row (stripe), or a panel of rows that are one block, rounded in one way.
struct Attempt {
  std::vector<std::byte> sides;     // of each row
  std::vector<std::int32_t> codes;  // of each row
  Columns wanted, errors;           // what the columns were rounded from, and weights less decoded values
  std::vector<double> loss;         // of each row: pivots times squared rounding errors
};

// The rows of one call.
class Feedback {
 public:
  // `columns`: which one of a stripe each column of the rows is; empty: as they stand.
  Feedback(const UnitTriangle& triangle, const Codec& codec, MatrixView rows, std::span<const std::uint32_t> columns,
           std::span<const float> importance, const FeedbackOptions& options)
      : triangle_(triangle),
        codec_(codec),
        rows_(rows),
        columns_(columns),
        importance_(importance),
        options_(options),
        stripe_(codec.stripe),
        stripes_(codec.stripes(rows.rows)),
        granule_(codec.granule / codec.stripe),
        block_(codec.block == 0 ? rows.cols : codec.block),
        panel_(codec.block == 0 ? std::min(whole_granules(kRowPanel), rows.cols) : codec.block),
        blocks_(rows.cols / block_),
        rounded_{rows, block_, std::vector<std::byte>(stripes_ * blocks_ * codec.side_bytes),
                 std::vector<std::int32_t>(stripes_ * stripe_ * rows.cols), Columns(0, 0)} {}

  RoundedRows rounded() && {
    const bool fits_first = options_.fit == FeedbackOptions::Fit::kOnce || codec_.block == 0;
    if (fits_first)
      fit_all();
    else
      round_all(Sides::kFit);
    if (fits_first || codec_.settle) {
      // What is stored of a side may depend on later blocks: only now is it known what is rounded under.
      settle_all();
      round_all(Sides::kKeep);
    }
    return std::move(rounded_);
  }

 private:
  enum class Sides { kFit, kKeep };

  // About so many columns, in whole granules and whole tiles.
  std::size_t whole_granules(std::size_t columns) const {
    const std::size_t step = std::lcm(granule_, kTile);
    return std::max<std::size_t>(1, columns / step) * step;
  }

  std::byte* side(std::size_t row, std::size_t block) { return rounded_.side(codec_, row, block); }
  std::span<std::int32_t> codes_of(std::size_t stripe) {
    return std::span(rounded_.codes).subspan(stripe * stripe_ * rows_.cols, stripe_ * rows_.cols);
  }

  void fit_all() {
    if (stripe_ > 1) return fit_stripes();
    for (std::size_t r = 0; r < rows_.rows; ++r)
      for (std::size_t block = 0; block < blocks_; ++block)
        fit(block, rows_.row(r).subspan(block * block_, block_), side(r, block));
  }

  void fit_stripes() {
    const Matrix stripes = stripes_of(rows_, stripe_);
    const std::vector<float> importance = repeated(importance_, stripe_);
    for (std::size_t s = 0; s < stripes_; ++s) codec_.fit(codec_, stripes.row(s), importance, side(s, 0));
  }

  void settle_all() {
    if (!codec_.settle) return;
    const std::size_t run = std::size_t{codec_.settled_blocks} * codec_.side_bytes;
    const std::span<std::byte> sides(rounded_.sides);
    for (std::size_t at = 0; at < sides.size(); at += run)
      codec_.settle(codec_, sides.subspan(at, std::min(run, sides.size() - at)));
  }

  std::span<const float> importance_of(std::size_t first, std::size_t count) const {
    return importance_.empty() ? importance_ : importance_.subspan(first, count);
  }

  void fit(std::size_t block, std::span<const float> weights, std::byte* side) const {
    codec_.fit(codec_, weights, importance_of(block * block_, block_), side);
  }

  void round_all(Sides sides) {
    work() = columns_of(rows_);
    for (std::size_t first = 0; first < rows_.cols; first += panel_) {
      const std::size_t block = first / block_, count = std::min(panel_, rows_.cols - first);
      const Attempt rounded = sides == Sides::kFit ? best_of(first, count)
                                                   : attempt(first, count, corrected(first, count), sides_of(block));
      for (std::size_t k = 0; k < count; ++k)
        std::copy_n(rounded.errors.column(k), work().stride(), work().column(first + k));
      for (std::size_t s = 0; s < stripes_; ++s) {
        std::copy_n(rounded.sides.data() + s * codec_.side_bytes, codec_.side_bytes, side(s, block));
        std::copy_n(&rounded.codes[s * count * stripe_], count * stripe_, codes_of(s).data() + first * stripe_);
      }
    }
  }

  Attempt best_of(std::size_t first, std::size_t count) {
    const Columns start = corrected(first, count);
    Attempt best = attempt(first, count, start, fitted(first / block_, start));
    for (int i = 0; i < options_.refits; ++i) {
      const Attempt again = attempt(first, count, start, fitted(first / block_, best.wanted));
      for (std::size_t r = 0; r < rows_.rows; ++r)
        if (again.loss[r] < best.loss[r]) take_row(again, r, count, best);
    }
    return best;
  }

  void take_row(const Attempt& from, std::size_t r, std::size_t count, Attempt& to) const {
    std::copy_n(from.sides.data() + r * codec_.side_bytes, codec_.side_bytes, to.sides.data() + r * codec_.side_bytes);
    std::copy_n(&from.codes[r * count], count, &to.codes[r * count]);
    for (std::size_t k = 0; k < count; ++k) {
      to.wanted.column(k)[r] = from.wanted.column(k)[r];
      to.errors.column(k)[r] = from.errors.column(k)[r];
    }
    to.loss[r] = from.loss[r];
  }

  // The weights of a panel, with what makes up for the errors of all columns before it.
  Columns corrected(std::size_t first, std::size_t count) const {
    Columns wanted = columns_at(first, count);
    add_product(triangle_.upper, work(), {0, first}, first, count, wanted, 0);
    return wanted;
  }

  Columns columns_at(std::size_t first, std::size_t count) const {
    Columns some((count + kTile - 1) / kTile * kTile, rows_.rows);
    for (std::size_t k = 0; k < count; ++k) std::copy_n(work().column(first + k), work().stride(), some.column(k));
    return some;
  }

  std::vector<std::byte> fitted(std::size_t block, const Columns& wanted) const {
    std::vector<std::byte> sides(rows_.rows * codec_.side_bytes);
    std::vector<float> weights(block_);
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      for (std::size_t k = 0; k < block_; ++k) weights[k] = wanted.column(k)[r];
      fit(block, weights, sides.data() + r * codec_.side_bytes);
    }
    return sides;
  }

  std::vector<std::byte> sides_of(std::size_t block) {
    std::vector<std::byte> sides(stripes_ * codec_.side_bytes);
    for (std::size_t s = 0; s < stripes_; ++s)
      std::copy_n(side(s, block), codec_.side_bytes, sides.data() + s * codec_.side_bytes);
    return sides;
  }

  // Rounds the granules of a panel one after the other. Leaves the weights in their place.
  Attempt attempt(std::size_t first, std::size_t count, const Columns& start, std::vector<std::byte> sides) {
    const Columns weights = columns_at(first, count);
    Attempt a{std::move(sides),
              std::vector<std::int32_t>(stripes_ * stripe_ * count),
              start,
              {0, 0},
              std::vector<double>(stripes_)};
    const std::size_t run = whole_granules(kRun);
    for (std::size_t at = 0; at < count; at += run) {
      const std::size_t end = std::min(at + run, count);
      add_product(triangle_.upper, work(), {first, first + at}, first + at, end - at, a.wanted, at);
      for (std::size_t k = at; k < end; k += granule_) {
        const std::size_t width = std::min(granule_, end - k);
        for (std::size_t c = k; c < k + width; ++c)
          add_product(triangle_.upper, work(), {first + at, first + k}, first + c, 1, a.wanted, c);
        if (stripe_ > 1)
          round_stripes(first, k, count, a);
        else if (granule_ == 1)
          round_column(first, k, count, a);
        else
          round_granule(first, k, width, count, a);
      }
    }
    a.errors = columns_at(first, count);
    for (std::size_t k = 0; k < count; ++k) std::copy_n(weights.column(k), work().stride(), work().column(first + k));
    return a;
  }

  void round_column(std::size_t first, std::size_t k, std::size_t count, Attempt& a) {
    const auto place = static_cast<std::uint32_t>((first + k) % block_);
    const float* wanted = a.wanted.column(k);
    float* errors = work().column(first + k);
    const double pivot = triangle_.pivots[first + k];
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      float value = 0;
      codec_.round(codec_, a.sides.data() + r * codec_.side_bytes, place, {wanted + r, 1}, importance_of(first + k, 1),
                   {&a.codes[r * count + k], 1}, {&value, 1});
      const double error = static_cast<double>(wanted[r]) - static_cast<double>(value);
      a.loss[r] += pivot * error * error;
      errors[r] -= value;
    }
  }

  // One column of all stripes: its rows are one granule of each.
  void round_stripes(std::size_t first, std::size_t k, std::size_t count, Attempt& a) {
    const std::size_t column = columns_.empty() ? first + k : columns_[first + k];
    const auto place = static_cast<std::uint32_t>(column * stripe_);
    const std::vector<float> importance = repeated(importance_of(first + k, 1), stripe_);
    const double pivot = triangle_.pivots[first + k];
    Matrix wanted(stripes_, stripe_), values(stripes_, stripe_);
    std::copy_n(a.wanted.column(k), rows_.rows, wanted.flat().data());
    std::vector<std::int32_t> codes(stripes_ * stripe_);
    round_rows(codec_, a.sides, place, wanted.view(), importance, codes, values.flat());
    for (std::size_t s = 0; s < stripes_; ++s)
      std::copy_n(&codes[s * stripe_], stripe_, &a.codes[(s * count + k) * stripe_]);
    float* errors = work().column(first + k);
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      const double error = static_cast<double>(wanted.flat()[r]) - static_cast<double>(values.flat()[r]);
      a.loss[r / stripe_] += pivot * error * error;
      errors[r] -= values.flat()[r];
    }
  }

  // What an error of each column costs when all columns behind the granule make up for what they can, errors of the
  // others in it aside: the diagonal of U diag(pivots) U^T, of these columns alone.
  std::vector<float> importance_within(std::size_t first, std::size_t width) const {
    std::vector<float> importance(width);
    for (std::size_t i = 0; i < width; ++i) {
      double sum = triangle_.pivots[first + i];
      for (std::size_t j = i + 1; j < width; ++j) {
        const double share = triangle_.upper.at(first + i, first + j);
        sum += triangle_.pivots[first + j] * share * share;
      }
      importance[i] = static_cast<float>(sum);
    }
    return importance;
  }

  // Columns k .. k + width - 1 of the panel. What the errors of the first do to the loss of the others counts, though
  // these were chosen with them.
  void round_granule(std::size_t first, std::size_t k, std::size_t width, std::size_t count, Attempt& a) {
    const auto place = static_cast<std::uint32_t>((first + k) % block_);
    Matrix wanted(rows_.rows, width), values(rows_.rows, width);
    for (std::size_t r = 0; r < rows_.rows; ++r)
      for (std::size_t c = 0; c < width; ++c) wanted.row(r)[c] = a.wanted.column(k + c)[r];
    std::vector<std::int32_t> codes(rows_.rows * width);
    round_rows(codec_, a.sides, place, wanted.view(), importance_within(first + k, width), codes, values.flat());
    Columns projected(width, rows_.rows);
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      std::copy_n(&codes[r * width], width, &a.codes[r * count + k]);
      for (std::size_t c = 0; c < width; ++c) {
        work().column(first + k + c)[r] -= values.row(r)[c];
        projected.column(c)[r] = wanted.row(r)[c] - values.row(r)[c];
      }
    }
    for (std::size_t c = 0; c < width; ++c) {
      add_product(triangle_.upper, work(), {first + k, first + k + c}, first + k + c, 1, projected, c);
      const double pivot = triangle_.pivots[first + k + c];
      for (std::size_t r = 0; r < rows_.rows; ++r) {
        const double error = projected.column(c)[r];
        a.loss[r] += pivot * error * error;
      }
    }
  }

  // Errors of the columns that were rounded, weights of the others.
  Columns& work() { return rounded_.errors; }
  const Columns& work() const { return rounded_.errors; }

  const UnitTriangle& triangle_;
  const Codec& codec_;
  MatrixView rows_;
  std::span<const std::uint32_t> columns_;
  std::span<const float> importance_;
  FeedbackOptions options_;
  std::size_t stripe_, stripes_;
  std::size_t granule_, block_, panel_, blocks_;  // in columns
  RoundedRows rounded_;
};

// Columns of rows (stripes) in the order in which feedback goes through them.
Matrix taken_in(std::span<const std::uint32_t> order, MatrixView rows) {
  Matrix taken(rows.rows, rows.cols);
  for (std::size_t r = 0; r < rows.rows; ++r)
    for (std::size_t k = 0; k < rows.cols; ++k) taken.row(r)[k] = rows.row(r)[order[k]];
  return taken;
}

// Codes of columns in that order, and their errors, back to where the columns stand.
RoundedRows put_back(std::span<const std::uint32_t> order, const Codec& codec, MatrixView rows, RoundedRows taken) {
  RoundedRows back{rows, taken.block, std::move(taken.sides), std::vector<std::int32_t>(taken.codes.size()),
                   Columns(rows.cols, rows.rows)};
  for (std::size_t s = 0; s < codec.stripes(rows.rows); ++s)
    for (std::size_t k = 0; k < rows.cols; ++k)
      std::copy_n(&taken.codes[(s * rows.cols + k) * codec.stripe], codec.stripe,
                  &back.codes[(s * rows.cols + order[k]) * codec.stripe]);
  for (std::size_t k = 0; k < rows.cols; ++k)
    std::copy_n(taken.errors.column(k), taken.errors.stride(), back.errors.column(order[k]));
  return back;
}

RoundedRows rounded_in(const FeedbackOrder& order, const Codec& codec, MatrixView rows,
                       std::span<const float> importance, const FeedbackOptions& options) {
  const Matrix taken = taken_in(order.columns, rows);
  std::vector<float> of_taken;
  if (!importance.empty())
    for (const std::uint32_t column : order.columns) of_taken.push_back(importance[column]);
  return put_back(order.columns, codec, rows,
                  Feedback(order.triangle, codec, taken.view(), order.columns, of_taken, options).rounded());
}

void pack_all(const Codec& codec, RoundedRows& rounded, PackedTensor& out) {
  const std::size_t blocks = rounded.weights.cols / rounded.block, count = rounded.weights.cols * codec.stripe;
  for (std::size_t s = 0; s < codec.stripes(rounded.weights.rows); ++s) {
    const std::span<const std::int32_t> codes = std::span(rounded.codes).subspan(s * count, count);
    if (codec.is_measured()) {
      out.append_row({rounded.side(codec, s, 0), blocks * codec.side_bytes}, codes);
      continue;
    }
    PlanePointers planes = out.row(s);
    for (std::size_t block = 0; block < blocks; ++block) {
      codec.pack(codec, rounded.side(codec, s, block), codes.subspan(block * count / blocks, count / blocks), planes);
      for (std::size_t p = 0; p < codec.planes.size(); ++p) planes[p] += codec.planes[p].block_bytes(rounded.block);
    }
  }
}

// The codes that feedback left, refined and written.
void finish(const HessianFactor& factor, std::span<const float> importance, const FeedbackOptions& options,
            RoundedRows rounded, PackedTensor& out) {
  if (out.codec().granule == out.codec().stripe)
    descend(factor.matrix(), out.codec(), importance, options.sweeps, rounded);
  pack_all(out.codec(), rounded, out);
}

}  // namespace

void encode_with_feedback(const HessianFactor& factor, MatrixView rows, std::span<const float> importance,
                          PackedTensor& out, const FeedbackOptions& options) {
  ensure(factor.columns() == rows.cols, "the Hessian of {} columns for rows of {}", factor.columns(), rows.cols);
  finish(factor, importance, options, Feedback(factor.triangle(), out.codec(), rows, {}, importance, options).rounded(),
         out);
}

void encode_with_feedback(const InputContext& inputs, MatrixView rows, PackedTensor& out,
                          const FeedbackOptions& options) {
  const FeedbackOrder* order =
      out.codec().feedback_order == Codec::FeedbackOrder::kByInputs ? inputs.order->get() : nullptr;
  if (!order) return encode_with_feedback(*inputs.hessian, rows, inputs.importance, out, options);
  ensure(order->columns.size() == rows.cols, "the Hessian of {} columns for rows of {}", order->columns.size(),
         rows.cols);
  finish(*inputs.hessian, inputs.importance, options, rounded_in(*order, out.codec(), rows, inputs.importance, options),
         out);
}

double hessian_error(const HessianFactor& factor, MatrixView rows, MatrixView decoded) {
  ensure(factor.columns() == rows.cols, "the Hessian of {} columns for rows of {}", factor.columns(), rows.cols);
  Columns errors = columns_of(rows);
  double sum = 0;
  for (std::size_t j = 0; j < rows.cols; ++j) {
    double plain = 0;
    for (std::size_t r = 0; r < rows.rows; ++r) {
      float& error = errors.column(j)[r];
      error -= decoded.row(r)[j];
      plain += static_cast<double>(error) * error;
    }
    sum -= factor.added()[j] * plain;  // U and the pivots are those of H with what was added
  }
  for (std::size_t first = 0; first < rows.cols; first += kRun) {
    const std::size_t count = std::min(kRun, rows.cols - first);
    Columns projected(kRun, rows.rows);
    for (std::size_t k = 0; k < count; ++k) std::copy_n(errors.column(first + k), errors.stride(), projected.column(k));
    add_product(factor.upper(), errors, {0, first}, first, count, projected, 0);
    for (std::size_t k = 0; k < count; ++k) {
      add_product(factor.upper(), errors, {first, first + k}, first + k, 1, projected, k);
      double squares = 0;
      for (std::size_t r = 0; r < rows.rows; ++r)
        squares += static_cast<double>(projected.column(k)[r]) * projected.column(k)[r];
      sum += factor.pivots()[first + k] * squares;
    }
  }
  return std::max(0.0, sum);
}

}  // namespace quern
