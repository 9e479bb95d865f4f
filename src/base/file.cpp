// POSIX files and the publish-by-rename folder.
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/output_path.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".quern-lock";
constexpr std::uint64_t kCopied = std::uint64_t{4} << 20;  // bytes of a file that are in memory at once

std::string reason() { return std::strerror(errno); }

bool is_empty_or_absent(const fs::path& path) {
  std::error_code ec;
  if (!is_there(path)) return true;
  return fs::is_directory(path, ec) && fs::is_empty(path, ec);
}

fs::path with_suffix(fs::path path, const char* suffix) {
  path += suffix;
  return path;
}

[[noreturn]] void refuse_strange(const fs::path& path) {
  fail(ErrorCode::kUsage, "{} is in the way and was not left by quern; move it away", path.string());
}

// Where nothing has the new name.
void rename_new(const fs::path& from, const fs::path& to) {
  std::error_code ec;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  ec = std::error_code(errno, std::generic_category());
  if (ec == std::errc::file_exists || is_there(to))
    fail(ErrorCode::kUsage, "{} has appeared since this was begun; choose another name", to.string());
  if (ec == std::errc::invalid_argument) fs::rename(from, to, ec);  // the file system cannot promise that
  if (ec) fail(ErrorCode::kResource, "cannot rename {} to {}: {}", from.string(), to.string(), ec.message());
}

// Of what an earlier run may have left: links, pipes and devices would be followed, waited for or written to.
void check_own_kinds(const fs::path& partial) {
  std::error_code ec;
  for (auto at = fs::recursive_directory_iterator(partial, ec); !ec && at != fs::recursive_directory_iterator();
       at.increment(ec)) {
    const fs::file_type type = at->symlink_status(ec).type();
    if (type != fs::file_type::regular && type != fs::file_type::directory)
      fail(ErrorCode::kUsage, "{} is {}, which quern never makes there; remove it, or all of {}", at->path().string(),
           type == fs::file_type::symlink ? "a link" : "neither a file nor a folder", partial.string());
  }
  if (ec) fail(ErrorCode::kResource, "cannot look into {}: {}", partial.string(), ec.message());
}

}  // namespace

File::File(fs::path path) : path_(std::move(path)) {
  OpenedFile file = open_to_read(path_);
  descriptor_ = std::move(file.descriptor);
  size_ = file.bytes;
}

void File::read(std::uint64_t offset, std::span<std::byte> out) const {
  const auto ends_early = [&] {
    fail(ErrorCode::kInput, "{} ends at byte {}, but {} bytes at {} were expected", path_.string(), size_, out.size(),
         offset);
  };
  if (offset > size_ || out.size() > size_ - offset) ends_early();
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(descriptor_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
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
  OpenedFile file = content == Content::kKeep ? open_own(path_) : open_new(path_);
  descriptor_ = std::move(file.descriptor);
  position_ = kept_ = file.bytes;
}

void OutputFile::write(ByteSpan bytes) {
  write_at(position_, bytes);
  position_ += bytes.size();
}

void OutputFile::write_at(std::uint64_t offset, ByteSpan bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(descriptor_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), n < 0 ? reason() : "the disk takes no more");
    done += static_cast<std::size_t>(n);
  }
}

void OutputFile::truncate(std::uint64_t bytes) {
  if (::ftruncate(descriptor_.get(), static_cast<off_t>(bytes)) != 0)
    fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
  position_ = bytes;
}

void OutputFile::sync() {
  if (::fdatasync(descriptor_.get()) != 0) fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
}

void OutputFile::finish() {
  const int synced = ::fsync(descriptor_.get());
  const int closed = descriptor_.close();
  if (synced != 0 || closed != 0) fail(ErrorCode::kResource, "cannot write {}: {}", path_.string(), reason());
}

void make_folder(const fs::path& folder) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  std::error_code unseen;
  if (!fs::is_directory(folder, unseen))
    fail(ErrorCode::kResource, "cannot create the folder {}: {}", folder.string(),
         ec ? ec.message() : "something else has that name");
}

void copy_whole_file(const fs::path& from, const fs::path& to) {
  const File source(from);
  OutputFile copy(to);
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < source.size(); at += piece.size()) {
    piece.resize(std::min(kCopied, source.size() - at));
    source.read(at, piece);
    copy.write(piece);
  }
  copy.finish();
}

std::uint64_t size_of_file(const fs::path& path) {
  if (const auto bytes = find_file(path)) return *bytes;
  return File(path).size();  // says what is there
}

namespace {

fs::path partial_of_new(const fs::path& target) {
  if (is_there(target)) fail(ErrorCode::kUsage, "{} already exists; choose another name or remove it", target.string());
  return with_suffix(target, ".partial");
}

// A run that was ended before it published left nothing in it.
Descriptor lock_empty(const fs::path& partial) {
  std::optional<OpenedFile> lock = open_locked(partial);
  if (!lock) fail(ErrorCode::kUsage, "another run is writing {}; wait for it or choose another name", partial.string());
  if (lock->bytes > 0) refuse_strange(partial);
  return std::move(lock->descriptor);
}

}  // namespace

NewFile::NewFile(fs::path target)
    : target_(std::move(target)),
      partial_(partial_of_new(target_)),
      lock_(lock_empty(partial_)),
      file_(partial_, OutputFile::Content::kKeep) {}

NewFile::~NewFile() {
  std::error_code ec;
  if (!partial_.empty()) fs::remove(partial_, ec);
}

void NewFile::publish(std::string_view content) {
  file_.write(content);
  file_.finish();
  rename_new(partial_, target_);
  partial_.clear();
}

TemporaryFolder::TemporaryFolder(std::string_view name) {
  std::error_code ec;
  const fs::path system = fs::temp_directory_path(ec);
  if (const char* named = std::getenv("TMPDIR"); ec && named)
    fail(ErrorCode::kResource, "TMPDIR names {}, which is no folder: name one with room, or leave it unset", named);
  if (ec) fail(ErrorCode::kResource, "there is no folder for temporary files; TMPDIR may name one");
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
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) ::fsync(descriptor.get());
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
  std::error_code ec;
  // The longest of the names that are made beside it.
  if (!fs::exists(fs::symlink_status(with_suffix(folder, ".rejected"), ec)) && ec == std::errc::filename_too_long)
    fail(ErrorCode::kUsage, "the output \"{}\" has too long a name; choose a shorter one", folder.string());
  if (existing == Existing::kReplace || is_empty_or_absent(folder)) return;
  if (!fs::is_directory(folder, ec))
    fail(ErrorCode::kUsage, "{} is a file, and a folder is to be written; choose another name", folder.string());
  fail(ErrorCode::kUsage, "{} already exists and is not empty; choose another folder or pass `existing=kReplace`",
       folder.string());
}

// A folder of that name is taken over only when it is empty or holds our lock file, and nobody holds the lock.
void OutputFolder::take_partial() {
  const fs::path lock = partial_ / kLockName;
  std::error_code ec;
  if (is_there(partial_)) {
    const bool is_folder = fs::is_directory(fs::symlink_status(partial_, ec));
    if (!is_folder || (!fs::is_empty(partial_, ec) && !fs::is_regular_file(fs::symlink_status(lock, ec))))
      refuse_strange(partial_);
  }
  make_folder(partial_);
  std::optional<OpenedFile> locked = open_locked(lock);
  if (!locked)
    fail(ErrorCode::kUsage, "another run is writing {}; wait for it or choose another folder", target_.string());
  lock_ = std::move(locked->descriptor);
  if (unfinished_ == Unfinished::kKeep) check_own_kinds(partial_);
  for (const fs::directory_entry& left : fs::directory_iterator(partial_, ec)) {
    if (left.path().filename() == kLockName) continue;
    had_unfinished_ = true;
    if (unfinished_ == Unfinished::kRemove) fs::remove_all(left.path(), ec);
  }
  if (!had_unfinished_) unfinished_ = Unfinished::kRemove;
}

OutputFolder::~OutputFolder() {
  if (!published_ && unfinished_ == Unfinished::kRemove) remove_partial(partial_);
}

void OutputFolder::publish(const std::string& name, const fs::path& elsewhere) {
  const fs::path to = elsewhere.empty() ? target_ : output_folder_path(elsewhere), from = partial_ / name;
  const fs::path parent = to.has_parent_path() ? to.parent_path() : fs::path(".");
  sync_folder(from);
  replace_path(from, to);
  published_ = true;
  sync_folder(parent);
  remove_partial(partial_);
}

}  // namespace quern
