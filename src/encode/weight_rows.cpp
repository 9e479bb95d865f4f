// Weights a few rows at a time: read, reorder, encode, measure.
#include "encode/weight_rows.h"

#include <algorithm>

#include "base/fail.h"
#include "encode/value_transform.h"

namespace quern {
namespace {

constexpr std::uint64_t kWeightsPerTask = 1 << 18;

std::size_t expert_of_row(const Weight& weight, const ExportedWeight& exported, std::size_t row) {
  const std::size_t experts = weight.experts();
  if (experts == 1) return 0;
  const std::size_t logical = exported.row_order.empty() ? exported.first_row + row : exported.row_order[row];
  return logical / (weight.layout().rows / experts);
}

}  // namespace

std::size_t rows_per_task(std::uint64_t cols) {
  std::uint64_t together = 1;  // powers of two
  for (const Codec* codec : codecs())
    if (codec->divides(cols)) together = std::max(together, codec->rows_together(cols));
  const std::uint64_t rows = std::max<std::uint64_t>(1, kWeightsPerTask / std::max<std::uint64_t>(1, cols));
  return (rows + together - 1) / together * together;
}

ExportedRows::ExportedRows(const Weights& source, const Weight& weight, const ExportedWeight& exported)
    : source_(source), weight_(weight), exported_(exported), layout_(row_layout(exported.output_shape(weight))) {
  const bool turns = weight.storage == Weight::Storage::kTransposed && !exported.is_transposed(weight);
  if (turns) whole_ = source.read(weight);
  if (exported.rows == ExportedWeight::Rows::kColumns) whole_ = transposed(source.read(weight));
}

Matrix ExportedRows::logical_rows(std::size_t first, std::size_t count) const {
  Matrix rows(count, whole_ ? whole_->cols() : weight_.layout().cols);
  if (!whole_) {
    source_.read_rows(weight_, first, rows.view());
  } else {
    for (std::size_t i = 0; i < count; ++i)
      std::ranges::copy(std::as_const(*whole_).row(first + i), rows.row(i).begin());
  }
  return rows;
}

Matrix ExportedRows::plain_rows(std::size_t first, std::size_t count) const {
  if (exported_.rows == ExportedWeight::Rows::kOfTensor) {
    Matrix rows(count, layout_.cols);
    source_.read_stored_rows(weight_, first, rows.view());
    return rows;
  }
  if (exported_.row_order.empty()) return logical_rows(exported_.first_row + first, count);
  if (weight_.axes.size() == 1) {  // a vector whose elements move: one row whose columns are reordered
    const Matrix whole = source_.read(weight_);
    Matrix row(1, layout_.cols);
    for (std::size_t i = 0; i < layout_.cols; ++i) row.row(0)[i] = whole.flat()[exported_.row_order[i]];
    return row;
  }
  const auto order = std::span(exported_.row_order).subspan(first, count);
  const auto [low, high] = std::minmax_element(order.begin(), order.end());
  const Matrix window = logical_rows(*low, *high - *low + 1);
  Matrix rows(count, layout_.cols);
  for (std::size_t i = 0; i < count; ++i) std::ranges::copy(window.row(order[i] - *low), rows.row(i).begin());
  return rows;
}

Matrix ExportedRows::rows(std::size_t first, std::size_t count) const {
  Matrix out = plain_rows(first, count);
  apply_transform(exported_.transform, out.flat());
  return out;
}

std::size_t ExportedRows::expert_of(std::size_t row) const { return expert_of_row(weight_, exported_, row); }

std::shared_ptr<const InputContext> ExportedRows::inputs(const Inputs& of_model, std::size_t expert) const {
  const bool columns_are_inputs = weight_.axes.size() > 1 && !exported_.is_transposed(weight_);
  return columns_are_inputs ? of_model.of(weight_, expert) : std::make_shared<const InputContext>();
}

std::vector<RowTask> row_tasks(const Weight& weight, const ExportedWeight& exported) {
  std::vector<RowTask> tasks;
  const RowLayout layout = row_layout(exported.output_shape(weight));
  const std::size_t grain = rows_per_task(layout.cols);
  for (std::size_t row = 0; row < layout.rows; ++row) {
    const std::size_t expert = expert_of_row(weight, exported, row);
    if (tasks.empty() || tasks.back().count == grain || tasks.back().expert != expert)
      tasks.push_back({row, 0, expert});
    ++tasks.back().count;
  }
  return tasks;
}

std::vector<RowTask> row_tasks(const ExportedRows& rows) { return row_tasks(rows.weight_, rows.exported_); }

EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const InputContext& inputs,
                        const RowTask& task) {
  const Matrix rows = source.rows(task.first, task.count);
  const Codec* codec = find_codec(step.codec);
  ensure(codec != nullptr, "no codec {}", step.codec);
  EncodedRows encoded{PackedTensor(*codec, {rows.rows(), rows.cols()}), {}};
  find_optimizer(step.optimizer).encode(inputs, *codec, rows.view(), encoded.packed);
  encoded.error = measure_error(rows.view(), inputs, encoded.packed);
  return encoded;
}

PackedTensor encode_in_memory(const Weights& source, const Weight& weight, const Codec& codec,
                              const Optimizer& optimizer, const Inputs& inputs, ThreadPool& pool) {
  const ExportedWeight as_it_is{.weight = 0, .name = weight.tensor};
  const ExportedRows rows(source, weight, as_it_is);
  const std::vector<RowTask> tasks = row_tasks(rows);
  PackedTensor whole(codec, rows.layout());
  pool.run(tasks.size(), [&](std::size_t i) {
    const RowTask& task = tasks[i];
    const Matrix some = rows.rows(task.first, task.count);
    PackedTensor part(codec, {task.count, rows.layout().cols});
    optimizer.encode(*inputs.of(weight, task.expert), codec, some.view(), part);
    for (std::size_t p = 0; p < codec.planes.size(); ++p)
      std::ranges::copy(part.plane(p),
                        whole.plane(p).begin() +
                            static_cast<std::ptrdiff_t>(task.first * codec.plane_row_bytes(p, rows.layout().cols)));
  });
  return whole;
}

}  // namespace quern
