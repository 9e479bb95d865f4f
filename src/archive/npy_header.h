// The header of a .npy array (numpy.lib.format, versions 1 to 3).
#pragma once

#include <string>

#include "checkpoint/byte_run.h"

namespace quern {

struct NpyArray {
  std::string encoding;  // "f32"
  StridedLayout layout;  // within the file of the array
};

// `run` is the whole file of the array. nullopt: its elements are no numbers (text, records, objects), which `descr`
// then names as numpy does. Error(kInput) when it breaks the specification, or the array has more or fewer bytes.
struct NpyHeader {
  std::string descr;
  std::optional<NpyArray> array;
};
NpyHeader read_npy_header(const File& file, const ByteRun& run);

}  // namespace quern
