// An op of a block with its weights decoded and laid out, ready to run on any number of windows.
#pragma once

#include <functional>
#include <span>

#include "quern/model_spec.h"
#include "runtime/block_walk.h"

namespace quern {

struct PreparedOp {
  std::size_t width = 0;  // columns of the output
  // Safe from several threads. `out` overlaps no input.
  std::function<void(std::span<const MatrixView> inputs, MutableMatrixView out)> execute;
};

// `widths`: columns of the op's inputs. REQUIRES: not an EmbedOp.
PreparedOp prepare_op(const WalkContext& context, const Op& op, std::size_t length,
                      std::span<const std::size_t> widths);

// Rows first .. first + rows - 1 of a tensor, decoded by all threads.
Matrix decode_rows(const WalkContext& context, const std::string& tensor, std::size_t first, std::size_t rows);

}  // namespace quern
