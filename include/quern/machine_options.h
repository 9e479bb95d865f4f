// What a call may use of the machine.
#pragma once

#include <cstdint>
#include <optional>

namespace quern {

// Arithmetic of the products of whole windows.
enum class Precision { kF32, kBf16 };

struct MachineOptions {
  unsigned threads = 0;                // 0: as many as the process may use; results do not depend on their number
  std::optional<Precision> precision;  // absent: bf16 where the processor multiplies it, f32 elsewhere
  std::uint64_t max_memory = 0;        // bytes; 0: half of the machine's memory
};

}  // namespace quern
