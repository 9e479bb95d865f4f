// Files for reading by position, and an output folder that appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace quern {

// A regular file opened for reading. Every failure is Error(kInput) that names the path and the system's reason.
class File {
 public:
  explicit File(std::filesystem::path path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return size_; }
  // Reads exactly out.size() bytes at `offset`; a short file is Error(kInput). Safe from several threads.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

// The whole file as text. Error(kInput) when it is missing or larger than max_bytes.
std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

// A file being written. Error(kResource) with the system's reason when the disk refuses.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t position() const noexcept { return position_; }
  void write(ByteSpan bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // Overwrites bytes already written; position() stays.
  void write_at(std::uint64_t offset, ByteSpan bytes);
  // Flushes to the disk and closes. Without it the file is closed unsynced.
  void finish();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t position_ = 0;
};

// `target`.partial while it is being filled, locked against a second program; publish() syncs it and renames it. A
// folder that is never published is removed with the object.
class OutputFolder {
 public:
  enum class Existing { kRefuse, kReplace };

  // Error(kUsage) when `target` exists and is not an empty folder, unless kReplace, or names no folder of its own
  // ("."); Error(kResource) when it cannot be made. What an interrupted run left in `target`.partial is removed.
  OutputFolder(std::filesystem::path target, Existing existing);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  // Where files are written until publish().
  const std::filesystem::path& path() const noexcept { return partial_; }
  void write_file(const std::string& name, std::string_view content) const;
  // Renames to the target, or to `elsewhere` when it is given; what was there is replaced. It is removed only after
  // the new folder has its name, and comes back when the renaming fails (Error(kResource)).
  void publish(const std::filesystem::path& elsewhere = {});

 private:
  void take_partial();

  std::filesystem::path target_, partial_;
  int lock_ = -1;  // of the lock file in partial_, held as long as the folder is being filled
  bool done_ = false;
};

}  // namespace quern
