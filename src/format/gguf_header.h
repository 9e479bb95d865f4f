// The header of one GGUF file: metadata and tensor table, with every check.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "format/gguf.h"

namespace quern {

struct GgufHeader {
  Metadata metadata;
  std::vector<TensorEntry> tensors;  // by name, one part each, of file 0
};

// Error(kInput) that names the file, the key or tensor, and the numbers.
GgufHeader read_gguf_header(const File& file);

}  // namespace quern
