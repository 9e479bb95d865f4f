// Files that are read at any time, of which only so many are open: a folder may have more shards than a process may
// have files.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"

namespace quern {

class OpenFiles {
 public:
  // Open at once, of one object: two models that are read beside each other, as an original and what became of it, have
  // twice as many. Systems grant a process 1,024.
  static constexpr std::size_t kMost = 128;

  // Opens none yet.
  explicit OpenFiles(const std::vector<std::filesystem::path>& paths);

  // Open as long as it is held, and as long after as no kMost others are asked for. Error(kInput) when it cannot be
  // opened, or is not the file any more that it was when it was first asked for. Safe from several threads.
  std::shared_ptr<const File> open(std::size_t index);

 private:
  struct Entry {
    std::filesystem::path path;
    std::string stamp;                 // empty: it was not asked for yet
    std::shared_ptr<const File> file;  // null: closed
  };

  std::mutex mutex_;  // guards what follows
  std::vector<Entry> files_;
  std::deque<std::size_t> open_;  // those with a file, in the order in which they were opened
};

}  // namespace quern
