// The opened checkpoint: a sorted tensor table, and its files.
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/open_files.h"

namespace quern {

void read_part(const File& file, const TensorPart& part, std::uint64_t offset, std::span<std::byte> out) {
  if (part.decoder) {
    part.decoder->read(file, offset, out);
  } else {
    file.read(part.offset + offset, out);
  }
}

std::vector<std::filesystem::path> paths_of(const std::vector<SourceFile>& files) {
  std::vector<std::filesystem::path> paths;
  for (const SourceFile& file : files) paths.push_back(file.path);
  return paths;
}

namespace {

bool by_name(const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; }

void check_part(const Checkpoint::Contents& contents, const TensorEntry& entry, const TensorPart& part) {
  ensure(part.file < contents.files.size(), "tensor {}: file {} of {}", entry.name, part.file, contents.files.size());
  if (part.decoder) return;  // made from tensors that were checked
  const SourceFile& file = contents.files[part.file];
  ensure(part.offset <= file.bytes && part.bytes <= file.bytes - part.offset,
         "tensor {}: {} bytes at {} of {} ({} bytes)", entry.name, part.bytes, part.offset, file.path.string(),
         file.bytes);
}

}  // namespace

Checkpoint::Checkpoint(Contents contents)
    : contents_(std::move(contents)), open_(std::make_unique<OpenFiles>(paths_of(contents_.files))) {
  for (std::size_t i = 0; i < contents_.files.size(); ++i) {
    const SourceFile& source = contents_.files[i];
    if (source.role != SourceFile::Role::kWeights) continue;
    if (const std::uint64_t bytes = open_->open(i)->size(); bytes != source.bytes) {
      fail(ErrorCode::kInput, "{} changed from {} to {} bytes while it was being opened", source.path.string(),
           source.bytes, bytes);
    }
  }
  std::sort(contents_.tensors.begin(), contents_.tensors.end(), by_name);
  for (std::size_t i = 0; i < contents_.tensors.size(); ++i) {
    const TensorEntry& entry = contents_.tensors[i];
    if (i > 0 && contents_.tensors[i - 1].name == entry.name) {
      fail(ErrorCode::kInput, "{} holds two tensors named \"{}\"", contents_.path.string(), entry.name);
    }
    for (const TensorPart& part : entry.parts) check_part(contents_, entry, part);
  }
}

Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const TensorEntry* Checkpoint::find(std::string_view name) const {
  const auto at =
      std::lower_bound(contents_.tensors.begin(), contents_.tensors.end(), name,
                       [](const TensorEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return at != contents_.tensors.end() && at->name == name ? &*at : nullptr;
}

const TensorEntry& Checkpoint::at(std::string_view name) const {
  if (const TensorEntry* entry = find(name)) return *entry;
  fail(ErrorCode::kInput, "{} has no tensor \"{}\" among its {}", contents_.path.string(), name,
       contents_.tensors.size());
}

Checkpoint Checkpoint::without(const std::function<bool(const TensorEntry&)>& dropped, std::string note) && {
  std::erase_if(contents_.tensors, dropped);
  contents_.notes.push_back(std::move(note));
  return Checkpoint(std::move(contents_));
}

void Checkpoint::read(const TensorEntry& entry, std::size_t part, std::uint64_t offset,
                      std::span<std::byte> out) const {
  ensure(part < entry.parts.size(), "tensor {} has {} parts, part {} was asked for", entry.name, entry.parts.size(),
         part);
  const TensorPart& where = entry.parts[part];
  ensure(offset <= where.bytes && out.size() <= where.bytes - offset, "tensor {}: {} bytes at {} of a part of {}",
         entry.name, out.size(), offset, where.bytes);
  const SourceFile& file = contents_.files.at(where.file);
  ensure(file.role == SourceFile::Role::kWeights, "tensor {} does not lie in a weight file", entry.name);
  try {
    read_part(*open_->open(where.file), where, offset, out);
  } catch (Error& error) {
    throw error.add_context(fmt::format("while reading {}, tensor {}", file.path.string(), entry.name));
  }
}

}  // namespace quern
