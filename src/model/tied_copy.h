// The copy of the embedding that a checkpoint with a tied head may hold beside it.
#pragma once

#include "model/model_spec.h"

namespace quern {

// Error(kInput) that names both tensors and the first row in which the stored head of a tied model is not the
// embedding.
void check_tied_copy(const Checkpoint& checkpoint, const ModelSpec& spec);

}  // namespace quern
