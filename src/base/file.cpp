// POSIX files and the publish-by-rename folder.
#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/fail.h"
#include "base/output_path.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".quern-lock";

std::string reason() { return std::strerror(errno); }

// Whether anything has that name; also true of a link that leads nowhere.
bool is_there(const fs::path& path) {
  std::error_code ec;
  return fs::symlink_status(path, ec).type() != fs::file_type::not_found;
}

bool is_empty_or_absent(const fs::path& path) {
  std::error_code ec;
  if (!is_there(path)) return true;
  return fs::is_directory(path, ec) && fs::is_empty(path, ec);
}

bool names_file(const fs::path& path, int fd) {
  struct stat named{}, opened{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

fs::path with_suffix(fs::path path, const char* suffix) {
  path += suffix;
  return path;
}

// `from` gets the name `to`. What had it lies under `from` afterwards where the two can be exchanged, so that at any
// moment one of them has the name; elsewhere it is moved aside and removed at the end.
void replace_folder(const fs::path& from, const fs::path& to) {
  std::error_code ec;
  const bool had_old = is_there(to);
  if (had_old && ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  fs::path old = with_suffix(to, ".old");
  while (is_there(old)) old += "~";  // what is there is somebody's
  if (had_old) fs::rename(to, old, ec);
  if (!ec) fs::rename(from, to, ec);
  if (ec) {
    std::error_code undo;
    if (had_old && !is_there(to)) fs::rename(old, to, undo);
    fail(ErrorCode::kResource, "cannot rename {} to {}: {}", from.string(), to.string(), ec.message());
  }
  if (had_old) fs::remove_all(old, ec);
}

}  // namespace

File::File(fs::path path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a named pipe is refused rather than waited for
  if (fd_ < 0) fail(ErrorCode::kInput, "cannot open {}: {}", path_.string(), reason());
  struct stat info{};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail(ErrorCode::kInput, "{} is not a regular file", path_.string());
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void File::read(std::uint64_t offset, std::span<std::byte> out) const {
  const auto ends_early = [&] {
    fail(ErrorCode::kInput, "{} ends at byte {}, but {} bytes at {} were expected", path_.string(), size_, out.size(),
         offset);
  };
  if (offset > size_ || out.size() > size_ - offset) ends_early();
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(ErrorCode::kInput, "cannot read {}: {}", path_.string(), reason());
    if (n == 0) ends_early();
    done += static_cast<std::size_t>(n);
  }
}

std::string file_stamp(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) fail(ErrorCode::kInput, "cannot read {}: {}", path.string(), reason());
  return fmt::format("{} bytes, written {}.{:09}, changed {}.{:09}", info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

std::string read_text(const fs::path& path, std::uint64_t max_bytes) {
  const File file(path);
  if (file.size() > max_bytes)
    fail(ErrorCode::kInput, "{} has {} bytes, more than the {} that are accepted", path.string(), file.size(),
         max_bytes);
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

OutputFile::OutputFile(fs::path path, Content content) : path_(std::move(path)) {
  const int keep = content == Content::kKeep ? 0 : O_TRUNC;
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | keep, 0644);
  if (fd_ < 0) fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
  struct stat info{};
  if (::fstat(fd_, &info) == 0) position_ = static_cast<std::uint64_t>(info.st_size);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), position_(other.position_) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::write(ByteSpan bytes) {
  write_at(position_, bytes);
  position_ += bytes.size();
}

void OutputFile::write_at(std::uint64_t offset, ByteSpan bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), n < 0 ? reason() : "the disk takes no more");
    done += static_cast<std::size_t>(n);
  }
}

void OutputFile::truncate(std::uint64_t bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0)
    fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
  position_ = bytes;
}

void OutputFile::sync() {
  if (::fdatasync(fd_) != 0) fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
}

void OutputFile::finish() {
  const int synced = ::fsync(fd_);
  const int closed = ::close(std::exchange(fd_, -1));
  if (synced != 0 || closed != 0) fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
}

namespace {

fs::path partial_of_new(const fs::path& target) {
  if (is_there(target)) fail(ErrorCode::kUsage, "{} already exists; choose another name or remove it", target.string());
  fs::path partial = target;
  partial += ".partial";
  return partial;
}

}  // namespace

NewFile::NewFile(fs::path target) : target_(std::move(target)), partial_(partial_of_new(target_)), file_(partial_) {}

NewFile::~NewFile() {
  std::error_code ec;
  if (!partial_.empty()) fs::remove(partial_, ec);
}

void NewFile::publish(std::string_view content) {
  file_.write(content);
  file_.finish();
  std::error_code ec;
  fs::rename(partial_, target_, ec);
  if (ec) fail(ErrorCode::kResource, "cannot rename {} to {}: {}", partial_.string(), target_.string(), ec.message());
  partial_.clear();
}

TemporaryFolder::TemporaryFolder(std::string_view name) {
  std::error_code ec;
  const fs::path system = fs::temp_directory_path(ec);
  if (ec) fail(ErrorCode::kResource, "there is no folder for temporary files (TMPDIR): {}", ec.message());
  std::string pattern = (system / fmt::format("{}-XXXXXX", name)).string();
  if (!::mkdtemp(pattern.data()))
    fail(ErrorCode::kResource, "cannot create a folder in {} (TMPDIR names another place): {}", system.string(),
         reason());
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ec;
  fs::remove_all(path_, ec);
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

void remove_partial(const fs::path& partial) {
  std::error_code ec;
  for (const fs::directory_entry& left : fs::directory_iterator(partial, ec))
    if (left.path().filename() != kLockName) fs::remove_all(left.path(), ec);
  fs::remove(partial / kLockName, ec);
  fs::remove(partial, ec);
}

OutputFolder::OutputFolder(fs::path target, Existing existing, Unfinished unfinished)
    : target_(output_folder_path(std::move(target))),
      partial_(with_suffix(target_, ".partial")),
      unfinished_(unfinished) {
  check_target(target_, existing);
  take_partial();
}

void OutputFolder::check_target(const fs::path& target, Existing existing) {
  const fs::path folder = output_folder_path(target);
  if (existing == Existing::kRefuse && !is_empty_or_absent(folder))
    fail(ErrorCode::kUsage, "{} already exists and is not empty; choose another folder or pass `existing=kReplace`",
         folder.string());
}

// A folder of that name is taken over only when it is empty or holds our lock file, and nobody holds the lock.
void OutputFolder::take_partial() {
  const fs::path lock = partial_ / kLockName;
  std::error_code ec;
  if (!is_empty_or_absent(partial_) && !is_there(lock))
    fail(ErrorCode::kUsage, "{} is in the way and was not left by quern; move it away", partial_.string());
  fs::create_directories(partial_, ec);
  if (ec) fail(ErrorCode::kResource, "cannot create {}: {}", partial_.string(), ec.message());
  lock_ = ::open(lock.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) fail(ErrorCode::kResource, "cannot write {}: {}", lock.string(), reason());
  // The run that held the lock may have removed the file since it was opened.
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 || !names_file(lock, lock_)) {
    ::close(lock_);
    fail(ErrorCode::kUsage, "another run is writing {}; wait for it or choose another folder", target_.string());
  }
  for (const fs::directory_entry& left : fs::directory_iterator(partial_, ec)) {
    if (left.path().filename() == kLockName) continue;
    had_unfinished_ = true;
    if (unfinished_ == Unfinished::kRemove) fs::remove_all(left.path(), ec);
  }
  if (!had_unfinished_) unfinished_ = Unfinished::kRemove;
}

OutputFolder::~OutputFolder() {
  if (!published_ && unfinished_ == Unfinished::kRemove) remove_partial(partial_);
  ::close(lock_);
}

void OutputFolder::publish(const std::string& name, const fs::path& elsewhere) {
  const fs::path to = elsewhere.empty() ? target_ : output_folder_path(elsewhere), from = partial_ / name;
  const fs::path parent = to.has_parent_path() ? to.parent_path() : fs::path(".");
  sync_folder(from);
  replace_folder(from, to);
  published_ = true;
  sync_folder(parent);
  remove_partial(partial_);
}

}  // namespace quern
