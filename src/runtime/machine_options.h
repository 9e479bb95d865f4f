// What a program may use of the machine.
#pragma once

#include <cstdint>
#include <optional>

#include "kernel/linear.h"

namespace quern {

struct MachineOptions {
  unsigned threads = 0;                // 0: as many as the process may use
  std::optional<Precision> precision;  // absent: bf16 where the processor multiplies it, f32 elsewhere
  std::uint64_t max_memory = 0;        // bytes; 0: half of the machine's memory
};

// Bytes that a run keeps to: what was asked for, else half of what the machine, the control group and the process
// allow.
std::uint64_t allowed_memory(const MachineOptions& machine);

}  // namespace quern
