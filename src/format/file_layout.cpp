// Two small tables: by the end of a file's name, and by container.
#include "format/file_layout.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/fail.h"
#include "format/gguf.h"
#include "format/gguf_header.h"
#include "format/safetensors.h"
#include "packed/safetensors_header.h"

namespace quern {
namespace {

std::vector<StoredRun> gguf_runs(const File& file) {
  std::vector<StoredRun> runs;
  for (const TensorEntry& tensor : read_gguf_header(file).tensors)
    runs.push_back({tensor.name, tensor.parts[0].offset, tensor.bytes()});
  return runs;
}

std::vector<StoredRun> safetensors_runs(const File& file) {
  std::vector<StoredRun> runs;
  for (const SafetensorsTensor& tensor : read_safetensors_header(file).tensors)
    runs.push_back({tensor.name, tensor.offset, tensor.bytes});
  return runs;
}

struct HeaderReader {
  std::string_view suffix;
  std::vector<StoredRun> (*runs)(const File&);
};
constexpr HeaderReader kReaders[] = {{".gguf", gguf_runs}, {".safetensors", safetensors_runs}};

struct Outline {
  const Format* format;
  std::vector<WrittenFile> (*files)(const CheckpointHead&);
};
constexpr Outline kOutlines[] = {{&kGguf, gguf_outline},
                                 {&kSafetensors, safetensors_outline},
                                 {&kBitsandbytes, safetensors_outline},
                                 {&kVptqFolder, vptq_folder_outline}};

}  // namespace

std::vector<ByteRange> FileLayout::ranges() const {
  std::vector<ByteRange> all = {{0, header_bytes}};
  for (const StoredRun& run : runs) all.push_back(run.range());
  return all;
}

FileLayout file_layout(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const auto reader = std::ranges::find_if(kReaders, [&](const HeaderReader& r) { return name.ends_with(r.suffix); });
  if (reader == std::end(kReaders)) return {};
  const File file(path);
  FileLayout layout{file.size(), reader->runs(file)};
  std::ranges::sort(layout.runs, {},
                    [](const StoredRun& run) { return std::tuple(run.offset, run.bytes, std::string_view(run.name)); });
  if (!layout.runs.empty()) layout.header_bytes = layout.runs.front().offset;
  return layout;
}

std::vector<WrittenFile> written_files(const Format& format, const CheckpointHead& head) {
  const auto outline = std::ranges::find(kOutlines, &format, &Outline::format);
  ensure(outline != std::end(kOutlines), "nothing writes {}", format.name);
  return outline->files(head);
}

}  // namespace quern
