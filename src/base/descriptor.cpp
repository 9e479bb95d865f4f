// Opened without waiting, looked at, and only then used.
#include "base/descriptor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/fail.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr int kWrite = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
constexpr mode_t kMode = 0644;

struct Kind {
  mode_t type;
  const char* name;
};
constexpr Kind kKinds[] = {{S_IFDIR, "a folder"},  {S_IFIFO, "a pipe"}, {S_IFCHR, "a device"}, {S_IFBLK, "a device"},
                           {S_IFSOCK, "a socket"}, {S_IFLNK, "a link"}, {S_IFREG, "a file"}};

const char* kind_of(const struct stat& info) {
  for (const Kind& kind : kKinds)
    if ((info.st_mode & S_IFMT) == kind.type) return kind.name;
  return "something else";
}

std::string last_error() { return std::strerror(errno); }

// Why `path` could not be opened or looked at, `error` being what the system says.
[[noreturn]] void refuse_to_read(const fs::path& path, int error) {
  std::error_code ec;
  if ((error == ENOENT || error == ENOTDIR) && fs::is_symlink(fs::symlink_status(path, ec)))
    fail(ErrorCode::kInput, "{} is a link that leads nowhere, to {}", path.string(),
         fs::read_symlink(path, ec).string());
  if (error == ELOOP) fail(ErrorCode::kInput, "{} is a link that leads back to itself", path.string());
  if (error == ENXIO) fail(ErrorCode::kInput, "{} is not a regular file: it is a socket or a device", path.string());
  fail(ErrorCode::kInput, "cannot open {}: {}", path.string(), std::strerror(error));
}

[[noreturn]] void refuse_kind(const fs::path& path, const struct stat& info) {
  fail(ErrorCode::kInput, "{} is not a regular file: it is {}{}", path.string(), kind_of(info),
       S_ISFIFO(info.st_mode) ? ", and can be read only once; write what comes out of it to a file" : "");
}

[[noreturn]] void refuse_to_write(const fs::path& path, const char* what) {
  fail(ErrorCode::kUsage, "{} is {} and is not written over; move it away, or choose another name", path.string(),
       what);
}

[[noreturn]] void fail_to_write(const fs::path& path) {
  fail(ErrorCode::kResource, "cannot write {}: {}", path.string(), last_error());
}

bool names_file(const fs::path& path, int descriptor) {
  struct stat named{}, opened{};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(descriptor, &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

}  // namespace

int Descriptor::close() noexcept {
  const int number = std::exchange(number_, -1);
  return number < 0 ? 0 : ::close(number);
}

OpenedFile open_to_read(const fs::path& path) {
  OpenedFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))};
  if (file.descriptor.get() < 0) refuse_to_read(path, errno);
  struct stat info{};
  if (::fstat(file.descriptor.get(), &info) != 0) refuse_to_read(path, errno);
  if (!S_ISREG(info.st_mode)) refuse_kind(path, info);
  file.bytes = static_cast<std::uint64_t>(info.st_size);
  return file;
}

std::optional<std::uint64_t> find_file(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) {
    if (!S_ISREG(info.st_mode)) refuse_kind(path, info);
    return static_cast<std::uint64_t>(info.st_size);
  }
  const int error = errno;
  if ((error == ENOENT || error == ENOTDIR) && !is_there(path)) return std::nullopt;
  refuse_to_read(path, error);
}

OpenedFile open_new(const fs::path& path) {
  Descriptor descriptor(::open(path.c_str(), kWrite | O_EXCL, kMode));
  if (descriptor.get() < 0 && errno == EEXIST) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) refuse_to_write(path, kind_of(info));
    if (::unlink(path.c_str()) != 0) fail_to_write(path);
    descriptor = Descriptor(::open(path.c_str(), kWrite | O_EXCL, kMode));
  }
  if (descriptor.get() < 0) fail_to_write(path);
  return {std::move(descriptor), 0};
}

OpenedFile open_own(const fs::path& path) {
  OpenedFile file{Descriptor(::open(path.c_str(), kWrite, kMode))};
  const int error = errno;
  struct stat info{};
  if (file.descriptor.get() < 0) {
    if (::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) refuse_to_write(path, kind_of(info));
    errno = error;
    fail_to_write(path);
  }
  if (::fstat(file.descriptor.get(), &info) != 0) fail_to_write(path);
  if (!S_ISREG(info.st_mode)) refuse_to_write(path, kind_of(info));
  if (info.st_nlink > 1) refuse_to_write(path, "a file with a second name (a hard link)");
  file.bytes = static_cast<std::uint64_t>(info.st_size);
  return file;
}

// The program that held the lock may have removed the file since it was opened.
std::optional<OpenedFile> open_locked(const fs::path& path) {
  OpenedFile file = open_own(path);
  if (::flock(file.descriptor.get(), LOCK_EX | LOCK_NB) != 0 || !names_file(path, file.descriptor.get()))
    return std::nullopt;
  return file;
}

Descriptor open_unnamed(const fs::path& folder) {
  std::string pattern = (folder / "quern-XXXXXX").string();
  Descriptor descriptor(::mkostemp(pattern.data(), O_CLOEXEC));
  if (descriptor.get() >= 0) ::unlink(pattern.c_str());
  return descriptor;
}

bool is_there(const fs::path& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

}  // namespace quern
