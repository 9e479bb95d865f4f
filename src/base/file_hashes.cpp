// A hash is a chain, so that a file is hashed by one thread at a time, whichever that is.
#include "base/file_hashes.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <optional>

#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace {

constexpr std::uint64_t kRead = std::uint64_t{1} << 17;   // stays in a core's cache between reading and hashing
constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;  // 0.6 ms, as long as a task of encoding takes
constexpr std::uint64_t kWhole = std::numeric_limits<std::uint64_t>::max();

}  // namespace

class FileHashes::Running {
 public:
  Running(std::filesystem::path path, std::uint64_t settled, std::vector<ByteRange> parts)
      : path_(std::move(path)), settled_(settled), hash_(std::move(parts)) {}

  const std::filesystem::path& path() const noexcept { return path_; }
  const std::string& hex() const {
    ensure(!hex_.empty(), "{} was not hashed to its end", path_.string());
    return hex_;
  }
  const std::vector<std::string>& parts() const { return parts_; }
  void settle(std::uint64_t bytes) { settled_ = std::max(settled_, bytes); }

  // Whether there was a piece, and no one else at it.
  bool advance() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || !hash_up_to(std::min(settled_, at_ + kPiece))) return false;
    if (settled_ == kWhole && at_ == file_->size()) close();
    return true;
  }
  void finish() {
    const std::lock_guard lock(mutex_);
    if (!hex_.empty()) return;
    hash_up_to(kWhole);
    close();
  }

 private:
  void close() {
    hex_ = hash_.hex();
    parts_ = hash_.parts();
    file_.reset();
    buffer_ = {};
  }
  bool hash_up_to(std::uint64_t end) {
    if (!hex_.empty() || end <= at_) return false;
    if (!file_) file_.emplace(path_);
    end = std::min(end, file_->size());
    const bool is_more = at_ < end;
    buffer_.resize(kRead);
    while (at_ < end) {
      const auto part = std::span(buffer_).first(std::min(kRead, end - at_));
      file_->read(at_, part);
      hash_.update(part);
      at_ += part.size();
    }
    return is_more;
  }

  const std::filesystem::path path_;
  std::uint64_t settled_;  // written while no thread hashes
  std::mutex mutex_;       // guards what follows
  std::optional<File> file_;
  PartedSha256 hash_;
  std::vector<std::byte> buffer_;
  std::uint64_t at_ = 0;
  std::string hex_;  // once known, as those of the parts
  std::vector<std::string> parts_;
};

FileHashes::FileHashes() = default;
FileHashes::~FileHashes() = default;

void FileHashes::add(const std::filesystem::path& path, Content content, std::vector<ByteRange> parts) {
  files_.push_back(std::make_unique<Running>(path, content == Content::kFinal ? kWhole : 0, std::move(parts)));
}

void FileHashes::settle(const std::filesystem::path& path, std::uint64_t bytes) {
  const auto file = std::ranges::find(files_, path, [](const auto& running) { return running->path(); });
  ensure(file != files_.end(), "{} is not being hashed", path.string());
  (*file)->settle(bytes);
}

void FileHashes::advance() {
  for (const auto& file : files_)
    if (file->advance()) return;
}

void FileHashes::finish(ThreadPool& pool) {
  pool.run(files_.size(), [&](std::size_t i) { files_[i]->finish(); });
}

const FileHashes::Running* FileHashes::running(const std::filesystem::path& path) const {
  const auto file = std::ranges::find(files_, path, [](const auto& running) { return running->path(); });
  return file == files_.end() ? nullptr : file->get();
}

const std::string* FileHashes::find(const std::filesystem::path& path) const {
  const Running* file = running(path);
  return file ? &file->hex() : nullptr;
}

const std::vector<std::string>* FileHashes::find_parts(const std::filesystem::path& path) const {
  const Running* file = running(path);
  return file ? &file->parts() : nullptr;
}

}  // namespace quern
