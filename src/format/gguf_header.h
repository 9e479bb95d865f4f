// The header of one GGUF file: metadata and tensor table, with every check.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "format/gguf.h"

namespace quern {

struct GgufTensor {
  std::string name;
  const GgmlType* type = nullptr;
  Shape shape;                          // outermost first
  std::uint64_t offset = 0, bytes = 0;  // in the file
};

struct GgufHeader {
  Metadata metadata;
  std::vector<GgufTensor> tensors;  // in file order
};

// Error(kInput) that names the file, the key or tensor, and the numbers.
GgufHeader read_gguf_header(const File& file);

}  // namespace quern
