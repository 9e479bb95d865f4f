// PyTorch's checkpoints, as torch.save, torch.jit.save and transformers write them.
#pragma once

#include "checkpoint/checkpoint.h"

namespace quern {

extern const Format kPytorch;

}  // namespace quern
