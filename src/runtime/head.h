// The last block over all windows: the ops before the logits, then the logits a tile of the vocabulary at a time, so that
// neither the head's weights nor the logits are ever whole in memory.
#pragma once

#include <functional>

#include "runtime/block_walk.h"

namespace quern {

// Runs every op of the last block but the final LinearOp, in place. The hook sees the input of the final LinearOp too.
void run_head_norm(const WalkContext& context, ActivationStore& hidden, const InputHook& hook = {});

// Rows of the head's weights, `rows_per_tile` at a time, ready to multiply. Tiles are made one after another.
struct HeadTile {
  std::size_t first = 0;  // vocabulary id of the tile's first row
  Linear linear;
};
void for_each_head_tile(const WalkContext& context, std::size_t rows_per_tile, const std::function<void(const HeadTile&)>& body);

// All logits of one window, [length, vocab]: for tests and small models. `hidden` after run_head_norm.
Matrix logits_of_window(const WalkContext& context, const ActivationStore& hidden, std::size_t window);

}  // namespace quern
