// From what the manifest alone tells to what only the original does.
#include "package/verify.h"

#include <algorithm>
#include <optional>

#include "base/fail.h"
#include "base/file.h"
#include "format/formats.h"
#include "package/one_file.h"
#include "package/package.h"
#include "package/package_names.h"
#include "package/verify_files.h"
#include "package/verify_head.h"
#include "package/verify_manifest.h"
#include "package/verify_weights.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// The folder, or the one file that lies beside it.
fs::path weights_place(const Verification& v) {
  for (const HashedFile& file : v.manifest.output_files)
    if (is_name_beside(file.name)) return v.place_of(file);
  return v.package;
}

// Why the package was not made from the weights of `original`; empty: it was.
std::string why_other_source(const OpenModel& original, const Manifest& manifest, ThreadPool& pool) {
  const std::string path = original.checkpoint.path().string(), overlay = original.weights.identity();
  if (overlay.empty() && !manifest.overlay.empty())
    return fmt::format(
        "the weights of {} were changed before this package was made from them ({}), and are in no file;"
        " where that was an adapter, give its folder (`adapter`)",
        path, manifest.overlay);
  if (overlay != manifest.overlay)
    return fmt::format("this package was made with {}, and what was given is {}",
                       manifest.overlay.empty() ? "no adapter" : manifest.overlay, overlay);
  if (combined_hash(hash_files(original.checkpoint, pool)) == combined_hash(manifest.source_files)) return {};
  return fmt::format(
      "{} is not the checkpoint that this package was made from (its files have other hashes, or other names)", path);
}

// The package as it is opened; absent, and a problem said, where it cannot be.
std::optional<Checkpoint> opened(Verification& v) {
  try {
    return open_checkpoint(weights_place(v));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kResource) throw;
    v.problem("the package cannot be opened: {}", error.what());
    return std::nullopt;
  }
}

void compare_fields(Verification& v, const OpenModel& original) {
  const Manifest& manifest = v.manifest;
  if (manifest.source_format != original.checkpoint.format())
    v.problem("the manifest says that the source was {}, and it is {}", manifest.source_format,
              original.checkpoint.format());
  const std::string table = source_table_hash(original.spec, original.weights);
  if (!manifest.plan.tensors_sha256.empty() && manifest.plan.tensors_sha256 != table)
    v.problem("the plan was made for other tensors: its tensors_sha256 is {}, that of the original is {}",
              manifest.plan.tensors_sha256, table);
}

// The original, and how it was found.
struct OriginalPlace {
  fs::path path;
  bool is_named = false;  // by a person; else by the manifest
};

OriginalPlace place_of_original(const VerifyOptions& options, const Verification& v) {
  if (!options.original.empty()) return {options.original, true};
  if (v.manifest.source_path.empty()) return {};
  // As seen from where the package lies, whatever links lead there.
  std::error_code ec;
  const fs::path recorded = (fs::weakly_canonical(v.package, ec) / v.manifest.source_path).lexically_normal();
  return ec || !is_there(recorded) ? OriginalPlace() : OriginalPlace{recorded, false};
}

class Comparison {
 public:
  Comparison(Verification& v, const VerifyOptions& options, const Checkpoint& package)
      : v_(v), options_(options), package_(package) {}

  // Empty: it was the original, and was compared; else why it is not.
  std::string with(const OriginalPlace& place) {
    const OpenModel original = open_model({place.path, options_.adapter, v_.manifest.dropped}, Unrecognised::kList);
    if (std::string why_not = why_other_source(original, v_.manifest, v_.pool); !why_not.empty()) return why_not;
    v_.result.original = place.path.string();
    compare_fields(v_, original);
    const ExportMap names = export_map(original, find_format(v_.manifest.plan.format));
    const PackageStatistics statistics(v_, original);
    const ComparedModels models{original, package_, names, statistics, place.is_named};
    compare_weights(v_, models, options_.stride);
    if (names.weights.size() == v_.manifest.tensors.size()) compare_head(v_, models);
    return {};
  }

 private:
  Verification& v_;
  const VerifyOptions& options_;
  const Checkpoint& package_;
};

void compare_with_original(Verification& v, const VerifyOptions& options, const Checkpoint& package) {
  const OriginalPlace place = place_of_original(options, v);
  if (place.path.empty()) return;
  Comparison comparison(v, options, package);
  if (place.is_named || !options.adapter.empty()) {
    if (std::string problem = comparison.with(place); !problem.empty()) v.result.problems.push_back(std::move(problem));
    return;
  }
  // What lies there now says nothing of the package.
  std::string problem;
  try {
    problem = comparison.with(place);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted || !v.result.original.empty()) throw;
    problem = error.what();
  }
  if (!problem.empty()) v.observer.note(problem + "; nothing was compared with it");
}

// Where the manifest is of what was given.
fs::path folder_of(const fs::path& package) {
  if (!is_there(package)) {
    const fs::path report = evidence_path(package);
    fail(ErrorCode::kVerification, "there is no {}{}", package.string(),
         report != package && is_there(report)
             ? fmt::format("; only its report is there, in {}: the file was moved or removed", report.string())
             : "; give the folder or file that compressing wrote");
  }
  if (is_chain(package))
    fail(ErrorCode::kVerification,
         "{} holds the packages of a chain of compressions, each with a {} of its own: verify these folders",
         package.string(), kManifestName);
  const fs::path folder = manifest_folder(package);
  if (folder != package && !is_there(folder))
    fail(ErrorCode::kVerification,
         "{} is one file, and nothing in it says what it was; its {} would lie in {}, which is not there",
         package.string(), kManifestName, folder.string());
  return folder;
}

}  // namespace

VerifyResult verify_package(const VerifyOptions& options, Observer& observer) {
  if (options.stride == 0) fail(ErrorCode::kUsage, "every 0th tensor cannot be compared; 1 compares all");
  const fs::path folder = folder_of(options.package);
  const Manifest manifest = read_manifest(folder);
  const fs::path file = folder == options.package ? fs::path() : options.package;
  if (!file.empty() && std::ranges::none_of(manifest.output_files, is_name_beside, &HashedFile::name))
    fail(ErrorCode::kVerification, "{} is the report of a folder, and not of {}", folder.string(), file.string());
  ThreadPool pool(options.machine.threads);
  Verification v{.package = folder, .file = file, .manifest = manifest, .pool = pool, .observer = observer};
  check_files(v);
  check_unlisted_files(v);
  check_manifest(v);
  if (!is_plan_known(v)) return std::move(v.result);
  const std::optional<Checkpoint> package = opened(v);
  if (!package) return std::move(v.result);
  check_tensors(v, *package);
  compare_with_original(v, options, *package);
  return std::move(v.result);
}

}  // namespace quern
