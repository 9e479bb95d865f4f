// The GGUF row of the table, and the alignment rule that reading and writing share.
#include "format/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

bool probe_gguf(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return holds_gguf_model(path);
  if (!fs::is_regular_file(path, ec)) return false;
  if (path.extension() == ".gguf") return true;
  std::byte magic[sizeof kGgufMagic];
  const File file(path);
  if (file.size() < sizeof magic) return false;
  file.read(0, magic);
  return std::memcmp(magic, kGgufMagic, sizeof magic) == 0;
}

bool holds(std::string_view encoding, std::uint64_t cols) {
  const GgmlType* type = find_ggml_type(encoding);
  return type && cols % type->block_weights == 0;
}

constexpr Loader kLoader = {"llama-cli -m FILE -p \"...\"", "llama.cpp", nullptr};
// llama.cpp has no I2_S.
constexpr Loader kBitnetLoader = {"python run_inference.py -m FILE -p \"...\"", "bitnet.cpp", nullptr};

const Loader& loader(std::span<const StoredTensor> tensors) {
  const bool has_i2_s =
      std::ranges::any_of(tensors, [](const StoredTensor& tensor) { return tensor.encoding.starts_with("i2_s"); });
  return has_i2_s ? kBitnetLoader : kLoader;
}

}  // namespace

std::uint64_t gguf_alignment(const Metadata& metadata) {
  const std::int64_t alignment = metadata.integer(kGgufAlignmentKey).value_or(kGgufDefaultAlignment);
  if (alignment <= 0 || alignment > UINT32_MAX || !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    fail(ErrorCode::kInput, "{} is {}, not a power of two", kGgufAlignmentKey, alignment);
  }
  return static_cast<std::uint64_t>(alignment);
}

const Format kGguf = {.name = "gguf",
                      .summary = "a GGUF file of llama.cpp, or a split set",
                      .loaded_by = "llama.cpp",
                      .hub_library = "gguf",
                      .dialect = Dialect::kGguf,
                      .companions = Format::Companions::kInside,
                      .probe = probe_gguf,
                      .open = open_gguf,
                      .holds = holds,
                      .vector_encoding = kFloat32,
                      .create = create_gguf,
                      .file_bytes = gguf_file_bytes,
                      .loader = loader};

}  // namespace quern
