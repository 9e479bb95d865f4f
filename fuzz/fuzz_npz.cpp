// Opening any bytes as an archive of arrays either gives a checkpoint whose every tensor can be read, or an Error.
#include "format/npz.h"
#include "read_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quern::read_tensors(quern::kNpz, data, size);
  return 0;
}
