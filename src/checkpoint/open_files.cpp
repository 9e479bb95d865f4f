// The file that was opened first is closed first: shards are read one after another, so that it is the one that is done
// with.
#include "checkpoint/open_files.h"

#include "base/fail.h"

namespace quern {

OpenFiles::OpenFiles(const std::vector<std::filesystem::path>& paths) {
  for (const std::filesystem::path& path : paths) files_.push_back({path, {}, nullptr});
}

std::shared_ptr<const File> OpenFiles::open(std::size_t index) {
  const std::lock_guard lock(mutex_);
  Entry& entry = files_.at(index);
  if (entry.file) return entry.file;
  auto file = std::make_shared<const File>(entry.path);
  std::string stamp = file_stamp(entry.path);
  if (!entry.stamp.empty() && entry.stamp != stamp)
    fail(ErrorCode::kInput, "{} has changed while it was being read: it had {}, and has {}", entry.path.string(),
         entry.stamp, stamp);
  entry.stamp = std::move(stamp);
  entry.file = file;
  open_.push_back(index);
  if (open_.size() > kMost) {
    files_[open_.front()].file.reset();
    open_.pop_front();
  }
  return file;
}

}  // namespace quern
