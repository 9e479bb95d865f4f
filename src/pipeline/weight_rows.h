// Rows of a weight in the order of the output file.
#pragma once

#include <functional>

#include "base/thread_pool.h"
#include "calib/statistics.h"
#include "optim/optimizer.h"
#include "plan/plan.h"
#include "quern/observer.h"
#include "runtime/weight_source.h"

namespace quern {

// Rows first .. first + count - 1 of the exported weight, as float.
Matrix exported_rows(const WeightSource& source, const std::string& tensor, const ExportedWeight& exported,
                     std::size_t first, std::size_t count);

// Rows a task takes at once: about a quarter of a million weights, a constant so that results do not depend on threads.
std::size_t rows_per_task(std::uint64_t cols);

// Encodes rows first .. first + count - 1 of a step and measures the error on the bytes.
struct EncodedRows {
  PackedTensor packed;
  EncodeError error;
};
EncodedRows encode_rows(const WeightSource& source, const PlanStep& step, const ExportedWeight& exported,
                        std::span<const double> moments, std::size_t first, std::size_t count);

// The whole weight, encoded by a codec in memory, in the order of the source.
PackedTensor encode_in_memory(const WeightSource& source, const std::string& tensor, const Codec& codec,
                              const Optimizer& optimizer, std::span<const double> moments, ThreadPool& pool);

// Reads every weight of the model once. Error(kInput) that names the tensor and counts its NaN and infinite values.
void check_finite_weights(const WeightSource& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer);

}  // namespace quern
