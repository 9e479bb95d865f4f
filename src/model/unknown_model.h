// A checkpoint that no architecture recognises, as a list of weights.
#pragma once

#include <span>
#include <string>

#include "model/model_spec.h"

namespace quern {

// No blocks; one weight for each tensor of floats (f32, f16, bf16). Role "matrix" and its two axes for those worth a
// number format of fewer bits; one axis, whatever its shape, for those that keep their encoding: "vector", or
// kOtherRole where more axes than one are longer than 1. Whole numbers, quantized tensors and empty ones are no
// weights. The evidence says why for each tensor; `why`: what the checkpoint calls itself. Error(kInput) when there is
// no tensor of floats.
ModelSpec list_unknown_model(const Checkpoint& checkpoint, const std::string& why);

// The same in two steps, for a table whose weights and evidence are not held all at once: the list without its tensors,
// and the weights and the evidence of some of them.
ModelSpec outline_unknown_model(const Checkpoint& checkpoint, const std::string& why);
void list_tensors(std::span<const TensorEntry> tensors, ModelSpec& spec);

// Of a tensor that is no vector, and no matrix that a program finds packed: the gates of a GRU, a table.
inline constexpr const char* kOtherRole = "other";

// Both extents of a matrix are at least this: below it, scales and headers eat the gain, and such tensors are more
// often tables and gates than products.
inline constexpr std::uint64_t kLeastMatrixExtent = 32;

}  // namespace quern
