// The one place where files are opened, and what is accepted there: a file that is read is a regular one, and one that
// is written is new or known to be our own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace quern {

// Owns what the system calls a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const noexcept { return number_; }
  // 0, or -1 as of the system's close.
  int close() noexcept;

 private:
  int number_ = -1;
};

struct OpenedFile {
  Descriptor descriptor;
  std::uint64_t bytes = 0;
};

// For reading: a regular file, by way of links where they lead to one (hub caches are made of them). Never waits for
// the other side of a pipe. Error(kInput) that says what is there in its place.
OpenedFile open_to_read(const std::filesystem::path& path);

// Bytes of the regular file that has the name, links followed; none: nothing has it. Error(kInput) where something else
// has: a link that leads nowhere, a folder, a pipe, a device. So what is optional is never taken for absent because it
// cannot be read.
std::optional<std::uint64_t> find_file(const std::filesystem::path& path);

// For writing: a new file. A regular file of that name is removed first, so that nothing is written through a second
// name that it may have; Error(kUsage) where something else is there, a link most of all. Error(kResource) when the
// disk refuses.
OpenedFile open_new(const std::filesystem::path& path);

// For writing: goes on with a file of our own, or begins it. Error(kUsage) where that is a link, no regular file, or
// has a second name (a hard link); Error(kResource) when the disk refuses.
OpenedFile open_own(const std::filesystem::path& path);

// As open_own, and locked against every other program as long as it is open; none: another program holds it.
std::optional<OpenedFile> open_locked(const std::filesystem::path& path);

// For scratch: a file without a name, which is gone when it is closed, in a folder. Negative, with the system's reason
// in errno, when there is none to be had.
Descriptor open_unnamed(const std::filesystem::path& folder);

// Whether anything has that name; also true of a link that leads nowhere.
bool is_there(const std::filesystem::path& path);

}  // namespace quern
