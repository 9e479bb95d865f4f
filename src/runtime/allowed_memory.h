// What a call may use of the machine, in bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "quern/machine_options.h"

namespace quern {

// Bytes that a run keeps to: what was asked for, else half of what the machine, the control group and the process
// allow.
std::uint64_t allowed_memory(const MachineOptions& machine);

// Why so many: "half of this machine's memory"; what was asked for has no reason.
std::string_view reason_of_memory(const MachineOptions& machine);

}  // namespace quern
