// A checkpoint that no architecture recognises, some thousand tensors at a time: the description of a tensor and the
// plans for it take twenty times its entry in the file, and of hundreds of thousands only sums are asked for.
#pragma once

#include <functional>

#include "checkpoint/checkpoint.h"
#include "runtime/open_model.h"

namespace quern {

// At most; a tensor whose name is longer is a piece of its own.
inline constexpr std::size_t kTensorsOfPiece = 2048, kNameBytesOfPiece = std::size_t{1} << 18;

// Calls use() with the weights and the evidence of each piece.
void for_each_listed_piece(const Checkpoint& files, const std::function<void(const ModelSpec& piece)>& use);

// The same as models, of checkpoints that hold these tensors alone and no metadata. `outline`: outline_unknown_model.
void for_each_listed_model(const Checkpoint& files, const ModelSpec& outline,
                           const std::function<void(const OpenModel& piece)>& use);

}  // namespace quern
