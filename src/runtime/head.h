// The last block over all windows: the ops before the logits, then the logits a tile of the vocabulary at a time, so
// that neither the head's weights nor the logits are ever whole in memory.
#pragma once

#include "runtime/block_walk.h"

namespace quern {

// Runs every op of the last block but the final LinearOp, in place. The hook sees the input of the final LinearOp too.
void run_head_norm(const WalkContext& context, ActivationStore& hidden, const InputHook& hook = {});

// Rows first .. first + rows - 1 of the head's weights (vocabulary ids). Error(kInput) that names the tensor when one
// is not finite.
Matrix head_rows(const WalkContext& context, std::size_t first, std::size_t rows);
// The same, ready to multiply.
Linear head_tile(const WalkContext& context, std::size_t first, std::size_t rows);

// All logits of one window, [length, vocab]: for tests and small models. `hidden` after run_head_norm.
Matrix logits_of_window(const WalkContext& context, const ActivationStore& hidden, std::size_t window);

}  // namespace quern
