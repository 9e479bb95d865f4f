// Copies a few megabytes at a time; hashes a task at a time, on all threads.
#include "encode/tensor_files.h"

#include <algorithm>

#include "encode/step_records.h"

namespace quern {
namespace {

constexpr std::uint64_t kCopyBytes = std::uint64_t{4} << 20;

}  // namespace

TensorFiles::TensorFiles(const std::filesystem::path& path)
    : files_(std::make_shared<const Checkpoint>(open_checkpoint(path))) {}

TensorSpec TensorFiles::spec(const std::string& tensor) const {
  const TensorEntry& entry = files_->at(tensor);
  TensorSpec spec{tensor, entry.shape, entry.encoding, {}};
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

std::string TensorFiles::hash(const std::string& tensor, const Codec& codec, std::uint64_t cols,
                              const std::vector<RowTask>& tasks, ThreadPool& pool) const {
  const TensorEntry* entry = files_->find(tensor);
  if (!entry || entry->encoding != codec.name || entry->parts.size() != codec.planes.size() || tasks.empty()) return {};
  const std::uint64_t rows = tasks.back().first + tasks.back().count;
  for (std::size_t p = 0; p < codec.planes.size(); ++p)
    if (entry->parts[p].bytes != rows * codec.plane_row_bytes(p, cols)) return {};
  std::vector<std::string> sums(tasks.size());
  pool.run(tasks.size(), [&](std::size_t t) {
    std::vector<std::byte> bytes;
    for (std::size_t p = 0; p < codec.planes.size(); ++p) {
      const std::uint64_t row_bytes = codec.plane_row_bytes(p, cols);
      bytes.resize(tasks[t].count * row_bytes);
      files_->read(*entry, p, tasks[t].first * row_bytes, bytes);
      sums[t] += plane_sum(bytes);
    }
  });
  return joined_hash(sums);
}

}  // namespace quern
