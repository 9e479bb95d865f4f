// SHA-256 of files, taken a piece at a time by threads that do other work in between.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/parted_sha256.h"
#include "base/thread_pool.h"

namespace quern {

class FileHashes {
 public:
  FileHashes();
  ~FileHashes();
  FileHashes(const FileHashes&) = delete;
  FileHashes& operator=(const FileHashes&) = delete;

  enum class Content { kFinal, kBeingWritten };
  // REQUIRES: the file has its final size, and advance() is not running (nor for settle and finish).
  // `parts`: runs of it that are hashed as well, in order.
  void add(const std::filesystem::path& path, Content content, std::vector<ByteRange> parts = {});
  // The first `bytes` of a file that is being written will not change any more. REQUIRES: it was added.
  void settle(const std::filesystem::path& path, std::uint64_t bytes);
  // Hashes the next piece of a file that no other thread is hashing, if there is one. Safe from several threads.
  void advance();
  // Hashes what is left, files side by side: by now all of them are final.
  void finish(ThreadPool& pool);
  // REQUIRES: finish() ran since the file was added, if it was. Null: it was not.
  const std::string* find(const std::filesystem::path& path) const;
  // The hashes of its parts. REQUIRES and null as above.
  const std::vector<std::string>* find_parts(const std::filesystem::path& path) const;

 private:
  class Running;
  const Running* running(const std::filesystem::path& path) const;

  std::vector<std::unique_ptr<Running>> files_;  // in the order of add()
};

}  // namespace quern
