// Opening any bytes as a checkpoint of PyTorch (an archive, or a legacy file), or as its pickle alone, either gives
// tensors that can be read, or an Error.
#include <algorithm>
#include <vector>

#include "archive/state_dict.h"
#include "format/pytorch.h"
#include "memory_file.h"
#include "quern/error.h"

using namespace quern;

namespace {

void open_file(const std::uint8_t* data, std::size_t size) try {
  constexpr std::uint64_t kMostBytes = 1 << 20;  // of a tensor: more only take time
  const MemoryFile memory(data, size);
  const Checkpoint checkpoint = kPytorch.open(memory.path());
  for (const TensorEntry& tensor : checkpoint.tensors()) {
    std::vector<std::byte> bytes(std::min(tensor.parts[0].bytes, kMostBytes));
    checkpoint.read(tensor, 0, tensor.parts[0].bytes - bytes.size(), bytes);
  }
} catch (const Error&) {
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  open_file(data, size);
  try {
    if (const auto pickle = read_pickle(std::as_bytes(std::span(data, size)))) find_state_dict(*pickle);
  } catch (const Error&) {
  }
  return 0;
}
