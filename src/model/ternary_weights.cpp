// The least and the largest magnitude of each row, and of all rows.
#include "model/ternary_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/scalars.h"

namespace quern {
namespace {

constexpr std::uint64_t kWeightsAtOnce = std::uint64_t{1} << 16;

// Of magnitudes other than 0.
struct Span {
  float least = std::numeric_limits<float>::infinity(), most = 0;

  bool is_empty() const { return most == 0; }
  double middle() const { return (double{least} + most) / 2; }
  double deviation() const { return is_empty() ? 0 : (double{most} - least) / (double{most} + least); }
  double f16_error() const {
    return is_empty() ? 0 : std::abs(f16_to_f32(f32_to_f16(static_cast<float>(middle()))) - middle()) / middle();
  }
  bool is_one_value() const { return deviation() < kTernaryDeviation && std::isfinite(most); }
  void add(const Span& other) { least = std::min(least, other.least), most = std::max(most, other.most); }
};

// A NaN makes it no one value.
Span span_of(std::span<const float> row) {
  Span span;
  for (const float value : row) {
    const float magnitude = std::abs(value);
    if (magnitude == 0) continue;
    if (std::isnan(magnitude)) return {0, std::numeric_limits<float>::infinity()};
    span.add({magnitude, magnitude});
  }
  return span;
}

class Rows {
 public:
  Rows(const Weights& weights, const Weight& weight) : weights_(weights), weight_(weight), layout_(weight.layout()) {
    if (weight.storage == Weight::Storage::kTransposed) whole_ = weights.read(weight);
  }

  // False once `visit` says so of a row.
  template <typename Visit>
  bool all(Visit visit) const {
    if (whole_.rows()) return all_of(whole_.view(), visit);
    std::uint64_t count = 1;  // most matrices are told by their first row
    for (std::uint64_t first = 0; first < layout_.rows;
         first += count, count = std::max<std::uint64_t>(1, kWeightsAtOnce / layout_.cols)) {
      count = std::min(count, layout_.rows - first);
      Matrix some(count, layout_.cols);
      weights_.read_rows(weight_, first, some.view());
      if (!all_of(some.view(), visit)) return false;
    }
    return true;
  }

 private:
  template <typename Visit>
  static bool all_of(MatrixView rows, Visit visit) {
    for (std::size_t i = 0; i < rows.rows; ++i)
      if (!visit(rows.row(i))) return false;
    return true;
  }

  const Weights& weights_;
  const Weight& weight_;
  RowLayout layout_;
  Matrix whole_;  // of a transposed one
};

}  // namespace

std::optional<TernaryForm> find_ternary(const Weights& weights, const Weight& weight) {
  const RowLayout layout = weight.layout();
  if (weight.axes.size() < 2 || layout.cols < kLeastTernaryColumns || layout.cols > kMostTernaryColumns)
    return std::nullopt;
  if (!find_decoder(weights.stored(weight).encoding)) return std::nullopt;
  Span all;
  TernaryForm by_row{.scale = TernaryForm::Scale::kRow};
  const bool each_row = Rows(weights, weight).all([&](std::span<const float> row) {
    const Span span = span_of(row);
    if (!span.is_one_value()) return false;
    all.add(span);
    by_row.deviation = std::max(by_row.deviation, span.deviation());
    by_row.f16_error = std::max(by_row.f16_error, span.f16_error());
    return true;
  });
  if (!each_row || all.is_empty()) return std::nullopt;
  if (all.is_one_value()) return TernaryForm{TernaryForm::Scale::kTensor, all.deviation(), all.f16_error()};
  return by_row;
}

TernaryForms find_ternary(const Weights& weights, const ModelSpec& spec, ThreadPool& pool) {
  std::vector<std::optional<TernaryForm>> found(spec.weights.size());
  pool.run(found.size(), [&](std::size_t i) { found[i] = find_ternary(weights, spec.weights[i]); });
  TernaryForms forms;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i]) forms.emplace(i, *found[i]);
  return forms;
}

}  // namespace quern
