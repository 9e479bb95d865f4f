// Arbitrary bytes as the config.json of a package that another program quantized: over the tensors of each layout they
// are refused, or give matrices whose bytes are all read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/python_json.h"
#include "memory_file.h"
#include "packed/packed_layouts.h"
#include "quern/error.h"

using namespace quern;

namespace {

constexpr std::uint64_t kFileBytes = 1 << 16, kMostRead = 1 << 20;

struct Row {
  const char* name;
  Shape shape;
  const char* encoding;
  std::uint64_t element_bytes;
  std::string_view content = {};  // empty: zeros
};

constexpr std::string_view kShape = {"\x20\0\0\0\0\0\0\0\x40\0\0\0\0\0\0", 16};  // 32, 64

// A module of 64 inputs and 32 outputs (AWQ's gemv 256, Marlin 64 outputs) in layouts whose configuration leaves a
// choice, and in those that have to be told from them by their tensors.
const std::vector<std::vector<Row>>& layouts() {
  static const std::vector<std::vector<Row>> kLayouts = {
      {{"m.qweight", {8, 32}, "i32", 4},
       {"m.qzeros", {2, 4}, "i32", 4},
       {"m.scales", {2, 32}, "f16", 2},
       {"m.g_idx", {64}, "i32", 4}},
      {{"m.qweight", {64, 4}, "i32", 4}, {"m.qzeros", {2, 4}, "i32", 4}, {"m.scales", {2, 32}, "f16", 2}},
      {{"m.weight_packed", {32, 8}, "i32", 4},
       {"m.weight_scale", {32, 2}, "bf16", 2},
       {"m.weight_shape", {2}, "i64", 8, kShape}},
      {{"m.weight", {32, 64}, "f8_e4m3", 1}, {"m.weight_scale_inv", {2, 2}, "f32", 4}},
      {{"m.weight", {32, 64}, "i8", 1}, {"m.weight_scale", {32, 1}, "bf16", 2}},
      {{"m.weight", {32, 8}, "u32", 4}, {"m.scales", {32, 2}, "bf16", 2}, {"m.biases", {32, 2}, "bf16", 2}},
      {{"m.qweight", {32, 32}, "i32", 4}, {"m.qzeros", {32, 1}, "i32", 4}, {"m.scales", {32, 8}, "f16", 2}},
      {{"m.qweight", {4, 128}, "i32", 4}, {"m.scales", {2, 64}, "f16", 2}},
      {{"m.W_q", {32, 32}, "u8", 1},
       {"m.scale", {32, 1}, "f16", 2},
       {"m.zero", {32, 1}, "f16", 2},
       {"m.shape", {2}, "i64", 8, kShape},
       {"m.axis", {}, "i32", 4, {"\1\0\0\0", 4}},
       {"m.packing", {7}, "u8", 1, "4bit_u8"}},
      {{"m.weight._data", {32, 64}, "i8", 1}, {"m.weight._scale", {32, 1}, "f16", 2}},
  };
  return kLayouts;
}

std::unique_ptr<MemoryFile> file_of(const std::vector<Row>& rows) {
  std::vector<std::uint8_t> bytes(kFileBytes);
  std::uint64_t at = 0;
  for (const Row& row : rows) {
    std::ranges::copy(row.content, bytes.begin() + static_cast<std::ptrdiff_t>(at));
    at += element_count(row.shape) * row.element_bytes;
  }
  return std::make_unique<MemoryFile>(bytes.data(), bytes.size());
}

void read_all(const MemoryFile& memory, const std::vector<Row>& rows, const Json& config) try {
  Checkpoint::Contents contents{"safetensors", memory.path(), {}, {}, {}, {}};
  contents.files.push_back({memory.path(), kFileBytes, SourceFile::Role::kWeights});
  contents.config = config;
  std::uint64_t at = 0;
  for (const Row& row : rows) {
    const std::uint64_t bytes = element_count(row.shape) * row.element_bytes;
    contents.tensors.push_back({row.name, row.shape, row.encoding, {{0, at, bytes}}});
    at += bytes;
  }
  unpack_layouts(contents);
  const File file(memory.path());
  for (const TensorEntry& tensor : contents.tensors)
    for (const TensorPart& part : tensor.parts) {
      std::vector<std::byte> bytes(std::min(part.bytes, kMostRead));
      read_part(file, part, 0, bytes);
      read_part(file, part, part.bytes - bytes.size(), bytes);
    }
} catch (const Error& error) {
  if (error.code() != ErrorCode::kInput) throw;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::unique_ptr<MemoryFile>> kFiles = [] {
    std::vector<std::unique_ptr<MemoryFile>> files;
    for (const std::vector<Row>& rows : layouts()) files.push_back(file_of(rows));
    return files;
  }();
  Json config;
  try {
    config = parse_python_json({reinterpret_cast<const char*>(data), size});
    config.as_object();  // as a folder's config.json is read
  } catch (const Error&) {
    return 0;
  }
  for (std::size_t i = 0; i < kFiles.size(); ++i) read_all(*kFiles[i], layouts()[i], config);
  return 0;
}
