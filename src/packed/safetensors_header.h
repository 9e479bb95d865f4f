// The header of one safetensors file: reading with every check of the specification, and laying out.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/metadata.h"
#include "tensor/tensor.h"

namespace quern {

// A dtype of the specification. Its encoding is the dtype's name in lower case.
struct SafetensorsType {
  const char* dtype;
  const char* encoding;
  unsigned bits;
};

// Null when there is none.
const SafetensorsType* find_safetensors_type(std::string_view dtype);
const SafetensorsType* find_safetensors_encoding(std::string_view encoding);

// Bytes of a tensor. Error(kInput) when they overflow 64 bits or are not whole.
std::uint64_t safetensors_bytes(const SafetensorsType& type, const Shape& shape);

struct SafetensorsTensor {
  std::string name;
  const SafetensorsType* type = nullptr;
  Shape shape;
  std::uint64_t offset = 0, bytes = 0;  // in the file
};

struct SafetensorsHeader {
  std::deque<SafetensorsTensor> tensors;  // by offset; taken from the front, what was taken is given back at once
  Metadata metadata;                      // the strings of __metadata__
};

// Error(kInput) that names the file, the tensor and the numbers when anything breaks the specification.
SafetensorsHeader read_safetensors_header(const File& file);

// Gives each tensor its offset (widest dtype first, then by name; bytes are taken from dtype and shape) and returns the
// bytes of the file before the first one. The order of `tensors` stays.
std::string lay_out_safetensors(std::vector<SafetensorsTensor>& tensors);

}  // namespace quern
