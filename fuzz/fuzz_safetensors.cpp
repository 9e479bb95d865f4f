// Opening any bytes as safetensors either gives a checkpoint whose every tensor can be read, or an Error. The input is
// the file, followed by a config.json when it contains a line "config".
#include <string_view>
#include <vector>

#include "base/file.h"
#include "memory_file.h"
#include "packed/bitsandbytes.h"
#include "packed/compressed_tensors.h"
#include "packed/plane_types.h"
#include "packed/safetensors_header.h"
#include "quern/error.h"

using namespace quern;

namespace {

constexpr std::string_view kMark = "\nconfig\n";

// As the opener of the format chooses.
void join_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors) {
  join_plane_tensors(files, tensors);
  if (declares_planes(config)) return;
  if (is_bitsandbytes(config)) {
    join_bitsandbytes_weights(config, files, tensors);
  } else {
    join_packed_weights(config, files, tensors);
  }
}

void open_parts(const File& file, std::string_view config) {
  const SafetensorsHeader header = read_safetensors_header(file);
  std::vector<TensorEntry> tensors;
  for (const SafetensorsTensor& tensor : header.tensors)
    tensors.push_back({tensor.name, tensor.shape, tensor.type->encoding, {{0, tensor.offset, tensor.bytes}}});
  std::vector<File> files;
  files.emplace_back(file.path());
  if (!config.empty()) join_weights(parse_json(config), files, tensors);
  for (const TensorEntry& tensor : tensors)
    for (const TensorPart& part : tensor.parts) {
      std::vector<std::byte> bytes(part.bytes);
      if (part.decoder) {
        part.decoder->read(file, 0, bytes);
      } else {
        file.read(part.offset, bytes);
      }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t mark = input.find(kMark);
  const MemoryFile memory(data, mark == std::string_view::npos ? size : mark);
  try {
    open_parts(File(memory.path()),
               mark == std::string_view::npos ? std::string_view() : input.substr(mark + kMark.size()));
  } catch (const Error&) {
  }
  return 0;
}
