// Bytes of a part are counted as they arrive; finish() compares the counts with what was announced.
#include "checkpoint/positional_writer.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/fail.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

class PositionalWriter final : public CheckpointWriter {
 public:
  PositionalWriter(std::vector<OutputFile> files, std::vector<WrittenTensor> tensors, std::vector<SettledFile> texts)
      : files_(std::move(files)), texts_(std::move(texts)), tensors_(std::move(tensors)) {
    std::size_t parts = 0;
    std::unordered_set<std::string_view> names;
    for (const WrittenTensor& tensor : tensors_) {
      ensure(names.insert(tensor.name).second, "tensor {} was announced twice", tensor.name);
      first_part_.push_back(parts);
      parts += tensor.parts.size();
    }
    by_place_.resize(files_.size());
    for (std::size_t t = 0; t < tensors_.size(); ++t)
      for (std::size_t p = 0; p < tensors_[t].parts.size(); ++p) by_place_[tensors_[t].parts[p].file].push_back({t, p});
    for (auto& parts_of_file : by_place_)
      std::ranges::sort(parts_of_file, std::greater(), [&](const Part& part) { return where(part).offset; });
    written_ = std::vector<std::atomic<std::uint64_t>>(parts);
    for (std::size_t f = 0; f < files_.size(); ++f)
      if (files_[f].continues()) clear_padding(f);
  }

  void write(std::size_t tensor, std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes) override {
    ensure(tensor < tensors_.size(), "tensor {} of {} was written", tensor, tensors_.size());
    const WrittenTensor& target = tensors_[tensor];
    ensure(part < target.parts.size(), "part {} of {} of tensor {} was written", part, target.parts.size(),
           target.name);
    const TensorPart& where = target.parts[part];
    ensure(offset <= where.bytes && bytes.size() <= where.bytes - offset,
           "{} bytes were written at {} of part {} of tensor {}, which has {} bytes", bytes.size(), offset, part,
           target.name, where.bytes);
    files_[where.file].write_at(where.offset + offset, bytes);
    written_[first_part_[tensor] + part] += bytes.size();
  }

  void keep(std::size_t tensor) override {
    ensure(tensor < tensors_.size(), "tensor {} of {} was kept", tensor, tensors_.size());
    for (std::size_t p = 0; p < tensors_[tensor].parts.size(); ++p)
      written_[first_part_[tensor] + p] = tensors_[tensor].parts[p].bytes;
  }

  std::vector<SettledFile> settled() override {
    std::vector<SettledFile> files = texts_;
    for (std::size_t f = 0; f < files_.size(); ++f) {
      std::vector<Part>& open = by_place_[f];
      while (!open.empty() && written_[first_part_[open.back().tensor] + open.back().part] >= where(open.back()).bytes)
        open.pop_back();
      files.push_back({files_[f].path(), open.empty() ? files_[f].position() : where(open.back()).offset});
    }
    return files;
  }

  void finish() override {
    for (std::size_t t = 0; t < tensors_.size(); ++t)
      for (std::size_t p = 0; p < tensors_[t].parts.size(); ++p) {
        const std::uint64_t written = written_[first_part_[t] + p], announced = tensors_[t].parts[p].bytes;
        ensure(written == announced, "{} bytes of part {} of tensor {} were written, {} were announced", written, p,
               tensors_[t].name, announced);
      }
    for (OutputFile& file : files_) file.finish();
  }

 private:
  struct Part {
    std::size_t tensor, part;
  };
  const TensorPart& where(const Part& part) const { return tensors_[part.tensor].parts[part.part]; }

  // What an interrupted run left there may be damaged, and nobody writes it again.
  void clear_padding(std::size_t f) {
    std::uint64_t end = files_[f].position();
    for (const Part& part : by_place_[f]) {
      const TensorPart& place = where(part);
      if (const std::uint64_t begin = place.offset + place.bytes; begin < end)
        files_[f].write_at(begin, std::vector<std::byte>(end - begin));
      end = place.offset;
    }
  }

  std::vector<OutputFile> files_;
  std::vector<SettledFile> texts_;
  std::vector<WrittenTensor> tensors_;
  std::vector<std::size_t> first_part_;              // of each tensor, in written_
  std::vector<std::atomic<std::uint64_t>> written_;  // bytes of each part so far
  std::vector<std::vector<Part>> by_place_;          // of each file, the last first; those settled are gone
};

bool is_such_file(const std::filesystem::path& path, std::string_view header, std::uint64_t bytes) {
  if (find_file(path) != bytes || bytes < header.size()) return false;
  const File file(path);
  std::string found(header.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(found)));
  return found == header;
}

}  // namespace

std::unique_ptr<CheckpointWriter> make_positional_writer(std::vector<OutputFile> files,
                                                         std::vector<WrittenTensor> tensors,
                                                         std::vector<SettledFile> texts) {
  return std::make_unique<PositionalWriter>(std::move(files), std::move(tensors), std::move(texts));
}

OutputFile create_sized_file(const std::filesystem::path& path, std::string_view header, std::uint64_t bytes) {
  if (is_such_file(path, header, bytes)) return OutputFile(path, OutputFile::Content::kKeep);
  OutputFile file(path);
  file.write(header);
  file.truncate(bytes);
  return file;
}

}  // namespace quern
