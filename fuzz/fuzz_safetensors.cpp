// Opening any bytes as safetensors either gives a checkpoint whose every tensor can be read, or an Error. The input is
// the file, followed by a config.json when it contains a line "config".
#include <algorithm>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "memory_file.h"
#include "packed/packed_layouts.h"
#include "packed/plane_types.h"
#include "packed/safetensors_header.h"
#include "quern/error.h"

using namespace quern;

namespace {

constexpr std::string_view kMark = "\nconfig\n";
constexpr std::uint64_t kMostBytes = 1 << 24;

void open_parts(const MemoryFile& memory, std::uint64_t size, std::string_view config) {
  Checkpoint::Contents contents{"safetensors", memory.path(), {}, {}, {}, {}};
  contents.files.push_back({memory.path(), size, SourceFile::Role::kWeights});
  const File file(memory.path());
  for (const SafetensorsTensor& tensor : read_safetensors_header(file).tensors)
    contents.tensors.push_back({tensor.name, tensor.shape, tensor.type->encoding, {{0, tensor.offset, tensor.bytes}}});
  if (!config.empty()) contents.config = parse_json(config);
  if (!contents.config.is_null()) contents.config.as_object();
  join_plane_tensors(contents);
  unpack_layouts(contents);
  for (const TensorEntry& tensor : contents.tensors)
    for (const TensorPart& part : tensor.parts) {
      std::vector<std::byte> bytes(std::min(part.bytes, kMostBytes));
      read_part(file, part, 0, bytes);
      read_part(file, part, part.bytes - bytes.size(), bytes);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t mark = input.find(kMark);
  const MemoryFile memory(data, mark == std::string_view::npos ? size : mark);
  try {
    const bool has_config = mark != std::string_view::npos;
    open_parts(memory, has_config ? mark : size, has_config ? input.substr(mark + kMark.size()) : std::string_view());
  } catch (const Error&) {
  }
  return 0;
}
