// Where a compression works: the output folder, its journal, and the hashing of files beside other work.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/file_hashes.h"
#include "compress/compress_journal.h"
#include "compress/compress_texts.h"
#include "compress/opened.h"
#include "quern/error.h"
#include "report/manifest.h"

namespace quern {

// Of the files of a model.
class SourceHashes {
 public:
  // Nothing is hashed yet. REQUIRES: the model outlives this.
  explicit SourceHashes(const Opened& opened);

  // Does what is left of the work.
  const std::vector<HashedFile>& finish();
  // Of these files, and of what its weights are beside them. Does what is left of the work.
  std::string combined();
  // The hashes that other threads advance, where files that are written may be added.
  FileHashes& running() noexcept { return hashes_; }

 private:
  const Opened& opened_;
  FileHashes hashes_;
  std::vector<HashedFile> files_;  // once hashed
};

// What the phases leave behind them, and find again when a run is continued.
struct WorkFiles {
  std::filesystem::path folder;
  Journal& records;          // of encoded tensors
  CompressJournal* journal;  // of what was measured; null: nobody keeps it
  SourceHashes& hashes;
};

// A folder of the work, with all in it. Error(kResource) where it cannot be removed.
void remove_work(const std::filesystem::path& folder);

// What `collect` gives, which goes on with what an interrupted run left in the folder; where that is damaged, all of it
// is collected again.
template <typename Collect>
auto collect_in(const std::filesystem::path& folder, Collect collect) {
  if (!is_there(folder)) return collect();
  try {
    return collect();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput && error.code() != ErrorCode::kUsage) throw;
  }
  remove_work(folder);
  return collect();
}

// Of a compression that writes a package.
class Workspace {
 public:
  // Takes the output folder. What an interrupted run left in it stays as it is when this throws and the options say to
  // resume. REQUIRES: the arguments outlive this.
  Workspace(const Opened& opened, const CompressTexts& texts);

  OutputFolder out;
  CompressJournal journal;
  SourceHashes hashes;

  WorkFiles files() { return {out.path(), journal.records(), &journal, hashes}; }
  // Hashes what is left of the model's files, and records it. Errors: CompressJournal::expect_source, check_unchanged.
  void know_source();
  // Error(kInput) where a file of the model is another than when this run was begun, or the one that it continues, if
  // that did not know the hashes yet.
  void check_unchanged() const;

 private:
  const Opened& opened_;
  const Json stamps_;  // of the model's files
};

}  // namespace quern
