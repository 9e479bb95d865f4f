// Opening any bytes as a checkpoint of llama2.c either gives a checkpoint whose every tensor can be read, or an Error.
#include <algorithm>
#include <vector>

#include "format/llama2c.h"
#include "memory_file.h"
#include "quern/error.h"

using namespace quern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMostBytes = 1 << 20;  // of a tensor: more only take time
  const MemoryFile memory(data, size);
  try {
    const Checkpoint checkpoint = kLlama2c.open(memory.path());
    for (const TensorEntry& tensor : checkpoint.tensors()) try {
        std::vector<std::byte> bytes(std::min(tensor.parts[0].bytes, kMostBytes));
        checkpoint.read(tensor, 0, tensor.parts[0].bytes - bytes.size(), bytes);
      } catch (const Error&) {
      }
  } catch (const Error&) {
  }
  return 0;
}
