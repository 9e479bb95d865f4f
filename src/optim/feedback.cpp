// A panel of columns at a time: corrected by all columns before it in one product, fitted, then rounded column by
// column.
#include "optim/feedback.h"

#include <algorithm>
#include <vector>

#include "optim/upper_product.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::size_t kTile = HessianFactor::kTile;
constexpr std::size_t kRun = 32;        // columns of a panel whose errors are passed on one by one
constexpr std::size_t kRowPanel = 128;  // columns of a panel where the whole row is one block

// The rows of one call.
class Feedback {
 public:
  Feedback(const HessianFactor& factor, const Codec& codec, MatrixView rows, std::span<const float> importance)
      : factor_(factor),
        codec_(codec),
        rows_(rows),
        importance_(importance),
        block_(codec.block == 0 ? rows.cols : codec.block),
        panel_(codec.block == 0 ? std::min(kRowPanel, rows.cols) : codec.block),
        sides_(rows.rows * (rows.cols / block_) * codec.side_bytes) {}

  void encode(PackedTensor& out, FeedbackFit fit) {
    if (fit == FeedbackFit::kOnce) {
      fit_all();
      settle_all();
      round_all(Sides::kKeep, &out);
    } else if (codec_.settle) {  // what is stored of a side depends on later blocks: the first pass finds them, the
                                 // second rounds
      round_all(Sides::kFit, nullptr);
      settle_all();
      round_all(Sides::kKeep, &out);
    } else {
      round_all(Sides::kFit, &out);
    }
  }

 private:
  enum class Sides { kFit, kKeep };

  std::byte* side(std::size_t row, std::size_t block) {
    return &sides_[(row * (rows_.cols / block_) + block) * codec_.side_bytes];
  }

  void fit_all() {
    for (std::size_t r = 0; r < rows_.rows; ++r)
      for (std::size_t block = 0; block < rows_.cols / block_; ++block)
        fit(r, block, rows_.row(r).subspan(block * block_, block_));
  }

  void settle_all() {
    if (!codec_.settle) return;
    const std::size_t run = std::size_t{codec_.settled_blocks} * codec_.side_bytes;
    for (std::size_t at = 0; at < sides_.size(); at += run)
      codec_.settle(std::span(sides_).subspan(at, std::min(run, sides_.size() - at)));
  }

  void fit(std::size_t row, std::size_t block, std::span<const float> weights) {
    codec_.fit(weights, importance_.empty() ? importance_ : importance_.subspan(block * block_, block_),
               side(row, block));
  }

  void round_all(Sides sides, PackedTensor* out) {
    work_ = columns_of(rows_);
    codes_.assign(rows_.rows * block_, 0);
    if (codec_.block == 0 && sides == Sides::kFit) fit_all();
    for (std::size_t first = 0; first < rows_.cols; first += panel_) {
      const std::size_t count = std::min(panel_, rows_.cols - first);
      Columns wanted = corrected(first, count);
      if (codec_.block != 0 && sides == Sides::kFit) fit_block(first / block_, wanted);
      for (std::size_t at = 0; at < count; at += kRun) round_run(first, at, std::min(kRun, count - at), wanted);
      if (out && (first + count) % block_ == 0) pack(first / block_, *out);
    }
  }

  // The weights of a panel, with what makes up for the errors of all columns before it.
  Columns corrected(std::size_t first, std::size_t count) const {
    Columns wanted((count + kTile - 1) / kTile * kTile, rows_.rows);
    for (std::size_t k = 0; k < count; ++k) std::copy_n(work_.column(first + k), work_.stride(), wanted.column(k));
    add_product(factor_, work_, {0, first}, first, count, wanted, 0);
    return wanted;
  }

  void fit_block(std::size_t block, const Columns& wanted) {
    std::vector<float> weights(block_);
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      for (std::size_t k = 0; k < block_; ++k) weights[k] = wanted.column(k)[r];
      fit(r, block, weights);
    }
  }

  // Columns `at` and behind it of the panel that begins with column `first`.
  void round_run(std::size_t first, std::size_t at, std::size_t count, Columns& wanted) {
    add_product(factor_, work_, {first, first + at}, first + at, count, wanted, at);
    for (std::size_t k = at; k < at + count; ++k) {
      add_product(factor_, work_, {first + at, first + k}, first + k, 1, wanted, k);
      round_column(first + k, wanted.column(k));
    }
  }

  void round_column(std::size_t column, const float* wanted) {
    const std::size_t block = column / block_, place = column % block_;
    float value = 0;
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      codec_.round(side(r, block), static_cast<std::uint32_t>(place), {wanted + r, 1}, {&codes_[r * block_ + place], 1},
                   {&value, 1});
      work_.column(column)[r] -= value;
    }
  }

  void pack(std::size_t block, PackedTensor& out) {
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      PlanePointers planes = out.row(r);
      for (std::size_t p = 0; p < codec_.planes.size(); ++p)
        planes[p] += block * (codec_.planes[p].bytes_per_block + block_ * codec_.planes[p].bytes_per_weight);
      codec_.pack(side(r, block), {&codes_[r * block_], block_}, planes);
    }
  }

  const HessianFactor& factor_;
  const Codec& codec_;
  MatrixView rows_;
  std::span<const float> importance_;
  std::size_t block_, panel_;
  std::vector<std::byte> sides_;
  std::vector<std::int32_t> codes_;
  Columns work_{0, 0};  // errors of the columns that were rounded, weights of the others
};

}  // namespace

void encode_with_feedback(const HessianFactor& factor, const Codec& codec, MatrixView rows,
                          std::span<const float> importance, PackedTensor& out, FeedbackFit fit) {
  ensure(factor.columns() == rows.cols, "the Hessian of {} columns for rows of {}", factor.columns(), rows.cols);
  Feedback(factor, codec, rows, importance).encode(out, fit);
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
    add_product(factor, errors, {0, first}, first, count, projected, 0);
    for (std::size_t k = 0; k < count; ++k) {
      add_product(factor, errors, {first, first + k}, first + k, 1, projected, k);
      double squares = 0;
      for (std::size_t r = 0; r < rows.rows; ++r)
        squares += static_cast<double>(projected.column(k)[r]) * projected.column(k)[r];
      sum += factor.pivots()[first + k] * squares;
    }
  }
  return std::max(0.0, sum);
}

}  // namespace quern
