// Opening any bytes as GGUF either gives a checkpoint whose every tensor and vocabulary can be read, or an Error.
#include <vector>

#include "format/gguf.h"
#include "memory_file.h"
#include "quern/error.h"
#include "vocabulary/vocabulary_gguf.h"

using namespace quern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  try {
    const Checkpoint checkpoint = open_gguf(file.path());
    for (const TensorEntry& tensor : checkpoint.tensors()) {
      std::vector<std::byte> bytes(tensor.parts[0].bytes);
      checkpoint.read(tensor, 0, 0, bytes);
    }
    vocabulary_of(checkpoint.metadata());
  } catch (const Error&) {
  }
  return 0;
}
