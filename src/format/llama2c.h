// Checkpoints of llama2.c (karpathy/llama2.c), as its export.py writes them: the first without a version, 1 and 2.
#pragma once

#include "checkpoint/checkpoint.h"

namespace quern {

extern const Format kLlama2c;

}  // namespace quern
