// Weights as floats, for ops that are prepared.
#pragma once

#include "runtime/walk_context.h"

namespace quern {

// Rows first .. first + rows - 1 of a weight, decoded by all threads.
Matrix decode_rows(const WalkContext& context, const Weight& weight, std::size_t first, std::size_t rows);

// A of a scan's recurrence, negative. Error(kInput) that names the tensor and a value under which the state would grow
// or be no number.
Matrix read_decay(SelectiveScanOp::Decay form, const Weights& weights, const Weight& weight);

}  // namespace quern
