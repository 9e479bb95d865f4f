// Weights a few rows at a time: read, reorder, encode, measure.
#include "encode/weight_rows.h"

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/fail.h"
#include "codec/pooled_training.h"
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

PackedTensor packed_rows(const Matrix& rows, const PlanStep& step, const std::shared_ptr<const Codec>& codec,
                         const InputContext& inputs, std::optional<PackedTensor> stored) {
  if (stored) return std::move(*stored);
  PackedTensor packed(codec, {rows.rows(), rows.cols()});
  find_optimizer(step.optimizer).encode(inputs, rows.view(), packed);
  return packed;
}

EncodedRows measured(const Matrix& rows, const InputContext& inputs, PackedTensor packed) {
  const EncodeError error = measure_error(rows.view(), inputs, packed);
  return {std::move(packed), error};
}

// Of the columns that a codec is trained on.
std::span<const float> training_importance(const Optimizer& optimizer, const InputContext& inputs) {
  if (optimizer.needs == Optimizer::Needs::kNothing) return {};
  return inputs.importance;
}

}  // namespace

std::size_t rows_encoded_together(std::uint64_t cols) {
  std::uint64_t together = 1;  // powers of two
  for (const Codec* codec : codecs())
    if (codec->stripe == 1 && codec->divides(cols)) together = std::max(together, codec->rows_together(cols));
  return together;
}

std::size_t rows_per_task(std::uint64_t cols) {
  const std::uint64_t together = rows_encoded_together(cols);
  const std::uint64_t rows = std::max<std::uint64_t>(1, kWeightsPerTask / std::max<std::uint64_t>(1, cols));
  return (rows + together - 1) / together * together;
}

std::size_t rows_per_task(const Codec& codec, std::uint64_t cols) {
  const std::size_t rows = codec.stripes(rows_per_task(cols)) * codec.stripe;
  return codec.most_rows_per_task == 0 ? rows : std::min<std::size_t>(rows, codec.most_rows_per_task);
}

bool is_stored_in(const Codec& codec, const Weights& source, const Weight& weight, const ExportedWeight& exported) {
  const RowLayout layout = row_layout(exported.output_shape(weight));
  if (weight.axes.size() < 2 || weight.layout().cols != layout.cols || exported.is_transposed(weight) ||
      exported.transform != ExportedWeight::Transform::kNone)
    return false;
  if (codec.is_measured() || codec.train || codec.rows_together(layout.cols) > 1) return false;
  const std::vector<PackedRun> runs = source.packed_runs(weight);
  return !runs.empty() && std::ranges::all_of(runs, [&](const PackedRun& run) {
    return run.codec->name == std::string_view(codec.name);
  });
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

std::optional<PackedTensor> ExportedRows::stored_rows(const Codec& codec, std::size_t first, std::size_t count) const {
  if (!is_stored_in(codec, source_, weight_, exported_)) return std::nullopt;
  std::call_once(stored_->read, [&] { stored_->pieces = source_.read_packed(weight_); });
  PackedTensor out({std::shared_ptr<const Codec>(), &codec}, {count, layout_.cols});
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t row = exported_.row_order.empty() ? exported_.first_row + first + i : exported_.row_order[first + i];
    auto piece = stored_->pieces.begin();
    for (; row >= piece->layout().rows; ++piece) row -= piece->layout().rows;
    const ConstPlanePointers from = std::as_const(*piece).row(row);
    const PlanePointers to = out.row(i);
    for (std::size_t p = 0; p < codec.planes.size(); ++p)
      std::copy_n(from[p], codec.plane_row_bytes(p, layout_.cols), to[p]);
  }
  return out;
}

std::size_t ExportedRows::expert_of(std::size_t row) const { return expert_of_row(weight_, exported_, row); }

std::shared_ptr<const InputContext> ExportedRows::inputs(const Inputs& of_model, std::size_t expert) const {
  const bool columns_are_inputs = weight_.axes.size() > 1 && !exported_.is_transposed(weight_);
  return columns_are_inputs ? of_model.of(weight_, expert) : std::make_shared<const InputContext>();
}

std::vector<RowTask> row_tasks(const Weight& weight, const ExportedWeight& exported, const Codec& codec) {
  std::vector<RowTask> tasks;
  const RowLayout layout = row_layout(exported.output_shape(weight));
  const std::size_t grain = rows_per_task(codec, layout.cols);
  for (std::size_t row = 0; row < layout.rows; ++row) {
    const std::size_t expert = expert_of_row(weight, exported, row);
    const bool is_next = !tasks.empty() && tasks.back().expert != expert && row % codec.stripe == 0;
    if (tasks.empty() || tasks.back().count == grain || is_next) tasks.push_back({row, 0, expert});
    ++tasks.back().count;
  }
  return tasks;
}

std::vector<RowTask> row_tasks(const ExportedRows& rows, const Codec& codec) {
  return row_tasks(rows.weight_, rows.exported_, codec);
}

std::vector<RowTask> row_tasks(const ExportedRows& rows) { return row_tasks(rows, *find_codec(kFloat32)); }

EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const std::shared_ptr<const Codec>& codec,
                        const InputContext& inputs, const RowTask& task) {
  const Matrix rows = source.rows(task.first, task.count);
  return measured(rows, inputs,
                  packed_rows(rows, step, codec, inputs, source.stored_rows(*codec, task.first, task.count)));
}

EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const std::shared_ptr<const Codec>& codec,
                        const InputContext& inputs, const RowTask& task, const MeasuredAgainst& against) {
  PackedTensor packed = packed_rows(source.rows(task.first, task.count), step, codec, inputs,
                                    source.stored_rows(*codec, task.first, task.count));
  return measured(against.rows.rows(task.first, task.count), against.inputs, std::move(packed));
}

EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const InputContext& inputs,
                        const RowTask& task) {
  const Codec* codec = find_codec(step.codec);
  ensure(codec != nullptr, "no codec {}", step.codec);
  const Matrix rows = source.rows(task.first, task.count);
  const std::span<const float> importance = training_importance(find_optimizer(step.optimizer), inputs);
  return measured(rows, inputs,
                  packed_rows(rows, step, trained_on(*codec, rows.view(), importance), inputs,
                              source.stored_rows(*codec, task.first, task.count)));
}

std::shared_ptr<const Codec> trained_codec_of(const ExportedRows& rows, const Codec& codec, const Optimizer& optimizer,
                                              const Inputs& inputs, ThreadPool& pool) {
  if (!codec.train) return {std::shared_ptr<const Codec>(), &codec};
  const std::vector<RowTask> tasks = row_tasks(rows, codec);
  std::unique_ptr<TensorTraining> whole, next = codec.train(codec);
  while (next) {
    const std::unique_ptr<TensorTraining> before = std::exchange(whole, std::move(next));
    std::mutex mutex;  // guards whole
    pool.run(tasks.size(), [&](std::size_t i) {
      const std::unique_ptr<TensorTraining> part = before ? before->next_pass() : codec.train(codec);
      const std::shared_ptr<const InputContext> known = rows.inputs(inputs, tasks[i].expert);
      observe_rows(codec, rows.rows(tasks[i].first, tasks[i].count).view(), training_importance(optimizer, *known),
                   *part);
      const std::lock_guard lock(mutex);
      whole->merge(*part);
    });
    next = whole->next_pass();
  }
  return trained_codec(codec, finish_training(*whole, pool));
}

PackedTensor encode_in_memory(const Weights& source, const Weight& weight, const Codec& codec,
                              const Optimizer& optimizer, const Inputs& inputs, ThreadPool& pool) {
  const ExportedWeight as_it_is{.weight = 0, .name = weight.tensor};
  const ExportedRows rows(source, weight, as_it_is);
  const std::vector<RowTask> tasks = row_tasks(rows, codec);
  const std::shared_ptr<const Codec> trained = trained_codec_of(rows, codec, optimizer, inputs, pool);
  PackedTensor whole(trained, rows.layout());
  std::vector<PackedTensor> waiting(codec.is_measured() ? tasks.size() : 0);  // whose places depend on those before
  pool.run(tasks.size(), [&](std::size_t i) {
    const RowTask& task = tasks[i];
    const Matrix some = rows.rows(task.first, task.count);
    PackedTensor part(trained, {task.count, rows.layout().cols});
    optimizer.encode(*inputs.of(weight, task.expert), some.view(), part);
    if (waiting.empty()) return whole.put_rows(task.first, part);
    waiting[i] = std::move(part);
  });
  for (std::size_t i = 0; i < waiting.size(); ++i) whole.put_rows(tasks[i].first, waiting[i]);
  return whole;
}

}  // namespace quern
