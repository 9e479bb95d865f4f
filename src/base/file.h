// Files for reading by position, and an output folder that appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "quern/existing_output.h"

namespace quern {

// A regular file opened for reading. Every failure is Error(kInput) that names the path and the system's reason.
class File {
 public:
  explicit File(std::filesystem::path path);

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return size_; }
  // Reads exactly out.size() bytes at `offset`; a short file is Error(kInput). Safe from several threads.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

// Size and times of the last changes: equal as long as nobody wrote to the file or put another in its place.
// Error(kInput) when there is none.
std::string file_stamp(const std::filesystem::path& path);

// The whole file as text. Error(kInput) when it is missing or larger than max_bytes.
std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

// A file being written. Error(kResource) with the system's reason when the disk refuses.
class OutputFile {
 public:
  // Of a file that is there already: kDiscard makes a new one in its place, kKeep goes on with it, which must be our
  // own. Never by way of a link: see open_new and open_own.
  enum class Content { kDiscard, kKeep };

  explicit OutputFile(std::filesystem::path path, Content content = Content::kDiscard);
  OutputFile(OutputFile&&) noexcept = default;
  OutputFile& operator=(OutputFile&&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  // Whether it holds what was there before this object.
  bool continues() const noexcept { return kept_ > 0; }
  // Where write() goes on: behind what was written, or kept.
  std::uint64_t position() const noexcept { return position_; }
  void write(ByteSpan bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // Overwrites bytes already written; position() stays.
  void write_at(std::uint64_t offset, ByteSpan bytes);
  // Cuts the file to `bytes`, or fills it with zeros up to there; write() goes on there.
  void truncate(std::uint64_t bytes);
  // Waits until what was written is on the disk.
  void sync();
  // Flushes to the disk and closes. Without it the file is closed unsynced.
  void finish();

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  std::uint64_t position_ = 0, kept_ = 0;
};

// Waits until the names in the folder are on the disk, where the system can do that.
void sync_folder(const std::filesystem::path& folder);

// Makes the folder and those around it, as far as they are not there. Error(kResource) when it cannot be made.
void make_folder(const std::filesystem::path& folder);

// A new file with the bytes of another, on the disk. Errors: File, OutputFile.
void copy_whole_file(const std::filesystem::path& from, const std::filesystem::path& to);

// Of a regular file. Error(kInput): File.
std::uint64_t size_of_file(const std::filesystem::path& path);

// A file that appears whole, or not at all: `target`.partial until publish(), and gone with the object before that.
class NewFile {
 public:
  // Error(kUsage) when `target` exists, or something is called `target`.partial that is not the empty file that a run
  // leaves which was ended before it published; Error(kResource) when it cannot be made.
  explicit NewFile(std::filesystem::path target);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  // Error(kUsage) when `target` has appeared meanwhile: it stays as it is.
  void publish(std::string_view content);

 private:
  std::filesystem::path target_, partial_;
  Descriptor lock_;  // of partial_, against a second program
  OutputFile file_;
};

// A new folder for scratch files where the system keeps those; removed with the object.
class TemporaryFolder {
 public:
  // `name`: how its name begins. Error(kResource) when it cannot be made.
  explicit TemporaryFolder(std::string_view name);
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// Removes the folder, if it is there, so that a removal cut short leaves one that OutputFolder still takes over.
void remove_partial(const std::filesystem::path& partial);

// `target`.partial while work is being done in it, locked against a second program; publish() gives one of its folders
// the target's name. One that is not published is removed with the object, or kept for a run that continues it.
class OutputFolder {
 public:
  using Existing = ExistingOutput;
  enum class Unfinished { kRemove, kKeep };

  // Error(kUsage) when `target` exists and is not an empty folder, unless kReplace, or names no folder of its own
  // ("."), or when another program writes it, or something is called `target`.partial that quern did not make: a link,
  // a file, a folder without its lock. Error(kResource) when it cannot be made. `unfinished`: what becomes of the work
  // of an earlier run in `target`.partial; work that is kept is of files and folders alone (Error(kUsage) that names
  // the link or pipe). Kept work stays when this object goes, until when_unpublished().
  OutputFolder(std::filesystem::path target, Existing existing, Unfinished unfinished = Unfinished::kRemove);
  // The refusals of the constructor for which nothing need be made or locked.
  static void check_target(const std::filesystem::path& target, Existing existing);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  // Where work is done until publish().
  const std::filesystem::path& path() const noexcept { return partial_; }
  // Whether an earlier run had left work there.
  bool had_unfinished() const noexcept { return had_unfinished_; }
  // What becomes of path() when this object goes before publish(); of new work by default: it is removed.
  void when_unpublished(Unfinished unfinished) noexcept { unfinished_ = unfinished; }
  // Syncs the folder `name` within path() and renames it to the target, or to `elsewhere` when it is given. What was
  // there is replaced in one step where the system can do that, else after standing aside as TARGET.old, and comes back
  // when the renaming fails (Error(kResource)). Everything else in path() is removed afterwards.
  void publish(const std::string& name, const std::filesystem::path& elsewhere = {});

 private:
  void take_partial();

  std::filesystem::path target_, partial_;
  Unfinished unfinished_;
  bool had_unfinished_ = false, published_ = false;
  Descriptor lock_;  // of the lock file in partial_, held as long as work is being done there
};

}  // namespace quern
