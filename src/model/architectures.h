// The descriptors that architectures.cpp lists. To add a family: one file that defines its descriptor, one line here,
// one row there.
#pragma once

#include <functional>

#include "model/model_spec.h"

namespace quern {

extern const Architecture kLlama, kBitnet, kQwen3, kMixtral, kGpt2, kMamba, kIteraLite;

// As describe_or_list, but of a list without its tensors (outline_unknown_model).
ModelSpec describe_or_outline(const Checkpoint& checkpoint);

// Calls use() with each of unmatched_tensors, which may be all of hundreds of thousands.
void for_each_unmatched(const Checkpoint& checkpoint, const std::function<void(const TensorEntry&)>& use);

}  // namespace quern
