// Rows of a weight in the order of the output file.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "model/weights.h"
#include "optim/inputs.h"
#include "optim/optimizer.h"
#include "plan/output_tensor.h"
#include "quern/observer.h"

namespace quern {

// Whether the rows of the output are in bytes of that codec in the source, so that they can be copied as they are and
// lose nothing. Of floats, and of codecs whose rows do not stand alone, none are.
bool is_stored_in(const Codec& codec, const Weights& source, const Weight& weight, const ExportedWeight& exported);

// The rows of an output tensor, as float, in the output's order.
class ExportedRows {
 public:
  // A transposed weight is read whole here. REQUIRES: the arguments outlive this.
  ExportedRows(const Weights& source, const Weight& weight, const ExportedWeight& exported);
  ExportedRows(const Weights& source, const OutputTensor& tensor)
      : ExportedRows(source, tensor.weight, tensor.exported) {}

  RowLayout layout() const noexcept { return layout_; }
  // Rows first .. first + count - 1. Safe from several threads.
  Matrix rows(std::size_t first, std::size_t count) const;
  // The same rows as the source has them in the bytes of the codec; nullopt where it has not (is_stored_in). Keeps the
  // bytes of the whole weight from the first call on. Safe from several threads.
  std::optional<PackedTensor> stored_rows(const Codec& codec, std::size_t first, std::size_t count) const;
  // What is known of the inputs of rows of one expert; nothing where a column does not hold the weights of one input of
  // the product.
  std::shared_ptr<const InputContext> inputs(const Inputs& of_model, std::size_t expert) const;
  // The expert that a row belongs to; 0 for all but mixtures.
  std::size_t expert_of(std::size_t row) const;

 private:
  friend std::vector<struct RowTask> row_tasks(const ExportedRows& rows, const Codec& codec);
  Matrix plain_rows(std::size_t first, std::size_t count) const;
  Matrix logical_rows(std::size_t first, std::size_t count) const;

  // Of the logical rows, one after another.
  struct StoredBytes {
    std::once_flag read;
    std::vector<PackedTensor> pieces;
  };

  const Weights& source_;
  const Weight& weight_;
  const ExportedWeight& exported_;
  RowLayout layout_;
  std::optional<Matrix> whole_;
  const std::unique_ptr<StoredBytes> stored_ = std::make_unique<StoredBytes>();
};

// Rows that are encoded together: of one expert, and about a quarter of a million weights, or fewer where the codec
// says so (Codec::most_rows_per_task). The cut depends on nothing but the shape and the codec, so that results do not
// depend on threads.
struct RowTask {
  std::size_t first = 0, count = 0, expert = 0;
};
std::vector<RowTask> row_tasks(const Weight& weight, const ExportedWeight& exported, const Codec& codec);
std::vector<RowTask> row_tasks(const ExportedRows& rows, const Codec& codec);
// Where the codec has no stripes, or rows of a task stand for a tensor.
std::vector<RowTask> row_tasks(const ExportedRows& rows);

// Every task of rows this wide begins at a multiple of so many and has a multiple of them, but for the last; of a codec
// of stripes at a multiple of those as well, and rows of two experts in one stripe count as the first one's; of one
// with a bound of its own at a multiple of that alone.
std::size_t rows_encoded_together(std::uint64_t cols);

// Rows a task takes at once when nothing else cuts them; and of that codec.
std::size_t rows_per_task(std::uint64_t cols);
std::size_t rows_per_task(const Codec& codec, std::uint64_t cols);

// Encodes the rows of a task of a step and measures the error on the bytes. Those that the source has in the step's
// codec are copied. `codec`: the step's, trained on the tensor where it is one that is. Where the rows hold values too
// large for the codec the error is not finite; where they are no finite numbers neither is its energy.
struct EncodedRows {
  PackedTensor packed;
  EncodeError error;
};
EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const std::shared_ptr<const Codec>& codec,
                        const InputContext& inputs, const RowTask& task);
// The same, encoded from `source` and measured against rows of another one: the same tensor of a model whose weights
// were not changed, and its inputs.
struct MeasuredAgainst {
  const ExportedRows& rows;
  const InputContext& inputs;
};
EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const std::shared_ptr<const Codec>& codec,
                        const InputContext& inputs, const RowTask& task, const MeasuredAgainst& against);
// As if these rows were the tensor: for trying and timing a codec.
EncodedRows encode_rows(const ExportedRows& source, const PlanStep& step, const InputContext& inputs,
                        const RowTask& task);

// The codec trained on all rows, where it is one that is, with the importance of their columns where the optimizer goes
// by it.
std::shared_ptr<const Codec> trained_codec_of(const ExportedRows& rows, const Codec& codec, const Optimizer& optimizer,
                                              const Inputs& inputs, ThreadPool& pool);

// The whole weight, encoded by a codec in memory, in its own order.
PackedTensor encode_in_memory(const Weights& source, const Weight& weight, const Codec& codec,
                              const Optimizer& optimizer, const Inputs& inputs, ThreadPool& pool);

}  // namespace quern
