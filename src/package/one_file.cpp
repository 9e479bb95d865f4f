// The folder is renamed first and the file last, so that a new file is never there without what was measured of it. A
// file that is replaced lies for a moment beside the report of the next; a run that resumes ends what was stopped
// there.
#include "package/one_file.h"

#include <algorithm>

#include "base/fail.h"
#include "base/names.h"
#include "base/output_path.h"
#include "base/sha256.h"
#include "package/package.h"
#include "package/package_names.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOneFile = ".gguf", kManyFiles = ".safetensors";
constexpr const char* kMovedWeights = "weights";  // within the folder of the work

// Whether it is still the file that was written.
bool lists_file(const fs::path& evidence, const fs::path& file) {
  try {
    const Manifest manifest = read_manifest(evidence);
    const auto listed =
        std::ranges::find(manifest.output_files, name_beside(file.filename().string()), &HashedFile::name);
    return listed != manifest.output_files.end() && listed->bytes == size_of_file(file) &&
           listed->sha256 == sha256_of_file(file);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

bool is_one_file(const fs::path& output) {
  std::error_code ec;
  if (!output.has_filename() || fs::is_directory(output, ec)) return false;
  const std::string extension = small_letters(output.extension().string());
  if (extension == kManyFiles)
    fail(ErrorCode::kUsage,
         "the `output` \"{}\" is named like a file, and a model in safetensors is a folder: weights with their "
         "configuration and tokenizer; name a folder, or a file that ends in {}",
         output.string(), kOneFile);
  return extension == kOneFile;
}

fs::path evidence_path(const fs::path& output) {
  if (!is_one_file(output)) return output;
  fs::path path = output_folder_path(output);
  path += kEvidenceSuffix;
  return path;
}

fs::path manifest_folder(const fs::path& package) {
  std::error_code ec;
  if (!fs::is_regular_file(package, ec)) return package;
  fs::path beside = package, folder = fs::canonical(package, ec);
  if (beside += kEvidenceSuffix; ec || is_there(beside)) return beside;  // a hub's cache keeps links to files elsewhere
  return folder += kEvidenceSuffix;
}

void check_one_file(const CompressOptions& options) {
  const fs::path file = output_folder_path(options.output), evidence = evidence_path(options.output);
  const bool replaces = options.existing == ExistingOutput::kReplace;
  std::error_code ec;
  if (fs::equivalent(file, options.input, ec))
    fail(ErrorCode::kUsage, "the output \"{}\" is the input model {}; choose another name", file.string(),
         options.input.string());
  if (is_there(file) && !replaces)
    fail(ErrorCode::kUsage, "{} is there already; choose another name or pass `existing=kReplace`", file.string());
  if (is_there(file) && !(fs::is_regular_file(file, ec) && lists_file(evidence, file)))
    fail(ErrorCode::kUsage,
         "{} was not written by quern, was changed since, or has no {} beside it that lists it, and is not replaced; "
         "remove it by hand or "
         "choose another name",
         file.string(), evidence.filename().string());
  if (!is_there(evidence)) return;
  if (!is_package(evidence))
    fail(ErrorCode::kUsage,
         "{}, where the report of {} would lie, was not written by quern; move it away or choose another name",
         evidence.string(), file.filename().string());
  if (!replaces && options.start != CompressOptions::Start::kResume)
    fail(ErrorCode::kUsage,
         "{} is there already, without its file; move it away, choose another name or pass `existing=kReplace`",
         evidence.string());
}

void publish_one_file(OutputFolder& out, const std::string& folder, const CheckpointHead& head,
                      const fs::path& target) {
  const std::string weights = head.stem + std::string(kOneFile);
  std::error_code ec;
  fs::rename(out.path() / folder / weights, out.path() / kMovedWeights, ec);
  if (ec) fail(ErrorCode::kResource, "cannot rename {} in {}: {}", weights, out.path().string(), ec.message());
  const fs::path evidence = evidence_path(target);
  sync_folder(out.path() / folder);
  replace_path(out.path() / folder, evidence);
  sync_folder(evidence.has_parent_path() ? evidence.parent_path() : fs::path("."));
  out.publish(kMovedWeights);
}

}  // namespace quern
