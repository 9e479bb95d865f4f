// What a call may use of the machine, in bytes.
#pragma once

#include <cstdint>

#include "quern/machine_options.h"

namespace quern {

// Bytes that a run keeps to: what was asked for, else half of what the machine, the control group and the process
// allow.
std::uint64_t allowed_memory(const MachineOptions& machine);

}  // namespace quern
