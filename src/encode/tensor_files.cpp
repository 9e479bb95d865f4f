// Copies a few megabytes at a time; hashes a task at a time, on all threads.
#include "encode/tensor_files.h"

#include <algorithm>

#include "base/fail.h"
#include "encode/step_records.h"
#include "format/formats.h"
#include "model/packed_rows.h"
#include "packed/quantized_types.h"

namespace quern {
namespace {

constexpr std::uint64_t kCopyBytes = std::uint64_t{4} << 20;

bool has_planes(const TensorEntry& entry, const Codec& codec, RowLayout layout) {
  const RowLayout stored = row_layout(entry.shape);
  if (stored.rows != layout.rows || stored.cols != layout.cols || entry.parts.size() != codec.planes.size())
    return false;
  for (std::size_t p = 0; p < codec.planes.size(); ++p)
    if (codec.planes[p].holds == CodecPlane::Holds::kBlocks &&
        entry.parts[p].bytes != codec.stripes(layout.rows) * codec.plane_row_bytes(p, layout.cols))
      return false;
  return true;
}

}  // namespace

TensorFiles::TensorFiles(const std::filesystem::path& path)
    : files_(std::make_shared<const Checkpoint>(open_checkpoint(path))) {}

TensorSpec TensorFiles::spec(const std::string& tensor) const {
  const TensorEntry& entry = files_->at(tensor);
  TensorSpec spec{tensor, entry.shape, std::string(encoding_of_copy(entry.encoding)), {}};
  for (const TensorPart& part : entry.parts) spec.part_bytes.push_back(part.bytes);
  return spec;
}

void TensorFiles::copy(const std::string& tensor, std::size_t index, CheckpointWriter& writer) const {
  const TensorEntry& entry = files_->at(tensor);
  std::vector<std::byte> buffer;
  for (std::size_t p = 0; p < entry.parts.size(); ++p)
    for (std::uint64_t at = 0; at < entry.parts[p].bytes; at += kCopyBytes) {
      buffer.resize(std::min(kCopyBytes, entry.parts[p].bytes - at));
      files_->read(entry, p, at, buffer);
      writer.write(index, p, at, buffer);
    }
}

std::string TensorFiles::hash(const std::string& tensor, const Codec& codec, RowLayout layout,
                              const std::vector<RowTask>& tasks, ThreadPool& pool) const {
  const TensorEntry* entry = files_->find(tensor);
  if (!entry || entry->encoding != codec.name) return {};
  std::vector<std::string> sums(tasks.size());
  try {
    const std::shared_ptr<const Codec> trained = tensor_codec(*files_, *entry);
    if (!has_planes(*entry, *trained, layout)) return {};
    pool.run(tasks.size(), [&](std::size_t t) {
      sums[t] = packed_sums(read_packed_rows(*files_, *entry, trained, tasks[t].first, tasks[t].count));
    });
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    return {};
  }
  return joined_hash(sums);
}

}  // namespace quern
