// NumPy's archives of named arrays, as np.savez and np.savez_compressed write them.
#pragma once

#include "checkpoint/checkpoint.h"

namespace quern {

extern const Format kNpz;

}  // namespace quern
