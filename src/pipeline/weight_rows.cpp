// Weights a few rows at a time: read, reorder, encode, measure.
#include "pipeline/weight_rows.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "kernel/elementwise.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::uint64_t kWeightsPerTask = 1 << 18;

Matrix gathered_rows(const WeightSource& source, const std::string& tensor, std::span<const std::uint32_t> order,
                     std::size_t cols) {
  const auto [low, high] = std::minmax_element(order.begin(), order.end());
  const std::size_t first = *low, span = *high - *low + 1;
  Matrix window(span, cols), rows(order.size(), cols);
  source.read_rows(tensor, first, window.view());
  for (std::size_t i = 0; i < order.size(); ++i) std::ranges::copy(window.row(order[i] - first), rows.row(i).begin());
  return rows;
}

// A vector whose elements move: one row whose columns are reordered.
Matrix gathered_elements(const WeightSource& source, const std::string& tensor, std::span<const std::uint32_t> order) {
  const Matrix whole = source.read(tensor);
  Matrix row(1, order.size());
  for (std::size_t i = 0; i < order.size(); ++i) row.row(0)[i] = whole.flat()[order[i]];
  return row;
}

struct NonFinite {
  std::atomic<std::uint64_t> nan{0}, infinite{0};
};

void count_non_finite(std::span<const float> values, NonFinite& count) {
  if (all_finite(values)) return;
  for (const float v : values) {
    if (std::isnan(v)) ++count.nan;
    if (std::isinf(v)) ++count.infinite;
  }
}

}  // namespace

std::size_t rows_per_task(std::uint64_t cols) {
  std::uint64_t together = 1;  // powers of two
  for (const Codec* codec : codecs())
    if (codec->divides(cols)) together = std::max(together, codec->rows_together(cols));
  const std::uint64_t rows = std::max<std::uint64_t>(1, kWeightsPerTask / std::max<std::uint64_t>(1, cols));
  return (rows + together - 1) / together * together;
}

Matrix exported_rows(const WeightSource& source, const std::string& tensor, const ExportedWeight& exported,
                     std::size_t first, std::size_t count) {
  const RowLayout layout = source.layout(tensor);
  if (!exported.row_order.empty() && layout.rows == 1) return gathered_elements(source, tensor, exported.row_order);
  if (!exported.row_order.empty())
    return gathered_rows(source, tensor, std::span(exported.row_order).subspan(first, count), layout.cols);
  Matrix rows(count, layout.cols);
  source.read_rows(tensor, first, rows.view());
  return rows;
}

EncodedRows encode_rows(const WeightSource& source, const PlanStep& step, const ExportedWeight& exported,
                        std::span<const double> moments, std::size_t first, std::size_t count) {
  const Matrix rows = exported_rows(source, step.tensor, exported, first, count);
  const Codec* codec = find_codec(step.codec);
  ensure(codec != nullptr, "no codec {}", step.codec);
  EncodedRows encoded{PackedTensor(*codec, {rows.rows(), rows.cols()}), {}};
  find_optimizer(step.optimizer).encode(*codec, rows.view(), moments, encoded.packed);
  encoded.error = measure_error(rows.view(), moments, encoded.packed);
  if (!std::isfinite(encoded.error.plain))
    fail(ErrorCode::kInput, "tensor {} holds values too large for the number format {}; give it a wider one",
         step.tensor, step.codec);
  return encoded;
}

PackedTensor encode_in_memory(const WeightSource& source, const std::string& tensor, const Codec& codec,
                              const Optimizer& optimizer, std::span<const double> moments, ThreadPool& pool) {
  const RowLayout layout = source.layout(tensor);
  PackedTensor whole(codec, layout);
  parallel_for(pool, layout.rows, rows_per_task(layout.cols), [&](std::size_t begin, std::size_t end) {
    Matrix rows(end - begin, layout.cols);
    source.read_rows(tensor, begin, rows.view());
    PackedTensor part(codec, {end - begin, layout.cols});
    optimizer.encode(codec, rows.view(), moments, part);
    for (std::size_t p = 0; p < codec.planes.size(); ++p)
      std::ranges::copy(part.plane(p), whole.plane(p).begin() +
                                           static_cast<std::ptrdiff_t>(begin * codec.plane_row_bytes(p, layout.cols)));
  });
  return whole;
}

void check_finite_weights(const WeightSource& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer) {
  observer.stage("check weights", spec.weights.size());
  for (const Weight& weight : spec.weights) {
    check_interrupted(observer);
    const RowLayout layout = source.layout(weight.tensor);
    NonFinite bad;
    parallel_for(pool, layout.rows, rows_per_task(layout.cols), [&](std::size_t begin, std::size_t end) {
      Matrix rows(end - begin, layout.cols);
      source.read_rows(weight.tensor, begin, rows.view());
      count_non_finite(rows.flat(), bad);
    });
    if (bad.nan || bad.infinite)
      fail(ErrorCode::kInput, "tensor {} of {} holds {} NaN and {} infinite values among {}; the checkpoint is damaged",
           weight.tensor, source.checkpoint().path().string(), bad.nan.load(), bad.infinite.load(),
           layout.rows * layout.cols);
    observer.advance(weight.tensor);
  }
}

}  // namespace quern
