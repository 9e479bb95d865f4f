// Any bytes as a file of a container: they open or give an Error, and so does each tensor that is read.
#pragma once

#include <algorithm>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "memory_file.h"
#include "quern/error.h"

namespace quern {

inline void read_tensors(const Format& format, const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMostBytes = 1 << 20;  // of a tensor: more only take time
  const MemoryFile memory(data, size);
  try {
    const Checkpoint checkpoint = format.open(memory.path());
    for (const TensorEntry& tensor : checkpoint.tensors()) try {
        std::vector<std::byte> bytes(std::min(tensor.parts[0].bytes, kMostBytes));
        checkpoint.read(tensor, 0, tensor.parts[0].bytes - bytes.size(), bytes);
      } catch (const Error&) {
      }
  } catch (const Error&) {
  }
}

}  // namespace quern
