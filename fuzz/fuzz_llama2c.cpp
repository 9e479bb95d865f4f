// Opening any bytes as a checkpoint of llama2.c either gives a checkpoint whose every tensor can be read, or an Error.
#include "format/llama2c.h"
#include "read_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quern::read_tensors(quern::kLlama2c, data, size);
  return 0;
}
