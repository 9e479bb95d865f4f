// The output is taken before time goes into hashing the model.
#include "compress/workspace.h"

#include "base/fail.h"
#include "compress/memory_choice.h"
#include "compress/run_identity.h"

namespace quern {
namespace {

using Unfinished = OutputFolder::Unfinished;

Unfinished unfinished_of(const CompressOptions& options) {
  return options.start == CompressOptions::Start::kResume ? Unfinished::kKeep : Unfinished::kRemove;
}

}  // namespace

void remove_work(const std::filesystem::path& folder) {
  std::error_code ec;
  std::filesystem::remove_all(folder, ec);
  if (ec) fail(ErrorCode::kResource, "cannot remove {}: {}", folder.string(), ec.message());
}

SourceHashes::SourceHashes(const Opened& opened) : opened_(opened) { add_files(opened.source.checkpoint, hashes_); }

const std::vector<HashedFile>& SourceHashes::finish() {
  hashes_.finish(opened_.pool());
  if (files_.empty()) files_ = hashed_files(opened_.source.checkpoint, hashes_);
  return files_;
}

std::string SourceHashes::combined() { return combined_hash(finish(), opened_.source.weights.identity()); }

Workspace::Workspace(const Opened& opened, const CompressTexts& texts)
    : out(opened.options.output, opened.options.existing, unfinished_of(opened.options)),
      journal(out.path(), to_json(RunIdentity{opened.options, opened.source, texts, opened.scheme, opened.format,
                                              opened.setup.precision, memory_choices(opened, texts)})),
      hashes(opened),
      opened_(opened),
      stamps_(journal.knows_source() ? stamps_by_name(opened.source.checkpoint) : journal.stamps()) {
  if (journal.knows_source()) know_source();
}

void Workspace::know_source() {
  const Json now = hashes_by_name(hashes.finish());
  check_unchanged();
  journal.expect_source(now);
}

void Workspace::check_unchanged() const {
  const std::string file = changed_file(stamps_, stamps_by_name(opened_.source.checkpoint));
  if (!file.empty())
    fail(ErrorCode::kInput,
         "the input has changed while it was compressed: {} is another file now; run the command again", file);
}

}  // namespace quern
