// Any bytes as a safetensors file whose tensors lie in planes: every row that is asked for is read, or an Error.
#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "memory_file.h"
#include "model/checkpoint_weights.h"
#include "packed/plane_types.h"
#include "packed/safetensors_header.h"

using namespace quern;

namespace {

constexpr std::uint64_t kMostWeights = 1 << 16;

void read_rows(const Checkpoint& checkpoint, const TensorEntry& entry) try {
  const RowLayout layout = row_layout(entry.shape);
  if (layout.cols == 0 || layout.cols > kMostWeights || element_count(entry.shape) > kMostWeights) return;
  if (const Codec* codec = find_codec(entry.encoding); !codec || !codec->divides(layout.cols)) return;
  const CheckpointWeights weights(checkpoint);
  weights.read(entry.name);
  Matrix last(std::min<std::uint64_t>(1, layout.rows), layout.cols);
  weights.read_rows(entry.name, layout.rows - last.rows(), last.view());
} catch (const Error& error) {
  if (error.code() != ErrorCode::kInput) throw;
}

void read_all(const MemoryFile& memory, std::uint64_t size) {
  Checkpoint::Contents contents{"safetensors", memory.path(), {}, {}, {}, {}};
  contents.files.push_back({memory.path(), size, SourceFile::Role::kWeights});
  const File file(memory.path());
  for (const SafetensorsTensor& tensor : read_safetensors_header(file).tensors)
    contents.tensors.push_back({tensor.name, tensor.shape, tensor.type->encoding, {{0, tensor.offset, tensor.bytes}}});
  join_plane_tensors(contents);
  std::erase_if(contents.tensors, [](const TensorEntry& entry) { return !find_plane_encoding(entry.encoding); });
  const Checkpoint checkpoint(std::move(contents));
  for (const TensorEntry& entry : checkpoint.tensors()) read_rows(checkpoint, entry);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  try {
    read_all(memory, size);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
  }
  return 0;
}
