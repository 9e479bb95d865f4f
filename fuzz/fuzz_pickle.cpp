// Opening any bytes as a checkpoint of PyTorch (an archive, or a legacy file), or as its pickle alone, either gives
// tensors that can be read, or an Error.
#include <span>

#include "archive/state_dict.h"
#include "format/pytorch.h"
#include "quern/error.h"
#include "read_tensors.h"

using namespace quern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_tensors(kPytorch, data, size);
  try {
    if (const auto pickle = read_pickle(std::as_bytes(std::span(data, size)))) find_state_dict(*pickle);
  } catch (const Error&) {
  }
  return 0;
}
