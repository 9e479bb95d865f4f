// A walk over names; no file is opened.
#include "package/folder_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/counted.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/json.h"
#include "base/names.h"
#include "checkpoint/file_kinds.h"
#include "checkpoint/hub_cache.h"
#include "package/package_names.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexSuffix = ".index.json";
constexpr std::string_view kDocuments[] = {"license",     "licence", "copying",    "copyright",    "notice",
                                           "attribution", "authors", "patents",    "third_party",  "third-party",
                                           "thirdparty",  "readme",  "use_policy", "usage_policy", "citation"};
// What says how weights were quantized, which they are no longer: GPTQ's packages, ModelOpt, AWQ's.
constexpr std::string_view kQuantizations[] = {"quantize_config.json", "hf_quant_config.json", "quant_config.json"};
constexpr std::string_view kUnfinished[] = {".partial", ".rejected", ".old"};
constexpr std::string_view kHidden[] = {"__pycache__"};

constexpr const char* kIsWeights = "weights, or what may hold them";
constexpr const char* kOtherModel = "a folder with weights of its own";
constexpr const char* kNoPlace = "what the container has no use for";

bool is_document(const std::string& name) {
  const std::string small = small_letters(name);
  return std::ranges::any_of(kDocuments, [&](std::string_view start) { return small.starts_with(start); });
}

bool is_passed_over(const std::string& name) {
  return name.starts_with(".") || std::ranges::find(kHidden, name) != std::end(kHidden) ||
         std::ranges::any_of(kUnfinished, [&](std::string_view end) { return name.ends_with(end); });
}

// The folder whose files belong to the model; empty: none is known to.
fs::path folder_of(const Checkpoint& source) {
  std::error_code ec;
  if (fs::is_directory(source.path(), ec)) return source.path();
  return source.config().is_null() ? fs::path() : fs::absolute(source.path(), ec).parent_path();
}

bool was_written_by_quern(const fs::path& folder) {
  if (!find_file(folder / kManifestName)) return false;
  try {
    return parse_json(read_text(folder / kManifestName)).find("quern") != nullptr;
  } catch (const Error&) {
    return false;
  }
}

class Walk {
 public:
  Walk(const Checkpoint& source, Format::Companions place, const FolderLimits& limits)
      : folder_(folder_of(source)), place_(place), limits_(limits) {
    if (folder_.empty()) {
      leave_documents(fs::absolute(source.path()).parent_path());
      return;
    }
    std::error_code ec;
    root_ = fs::canonical(folder_, ec);
    if (const auto repository = repository_in_hub_cache(folder_)) root_ = *repository;
    for (const SourceFile& file : source.files()) own_.insert(fs::absolute(file.path, ec).lexically_normal());
    const bool package = was_written_by_quern(folder_);
    for (const char* name : kEvidenceNames)
      if (package || name != std::string_view(kCardName)) (package ? passed_ : taken_).insert(name);
    (package ? passed_ : taken_).insert(kManifestName);
    visit(folder_, {}, 0);
  }

  FolderFiles result() {
    for (auto& [name, file] : found_) {
      if (found_files_.carried.size() == limits_.files || bytes_ + file.bytes > limits_.all_bytes) {
        leave(name,
              fmt::format("more than {} or {} MiB in all", counted(limits_.files, "file"), limits_.all_bytes >> 20));
        continue;
      }
      bytes_ += file.bytes;
      found_files_.carried.push_back(std::move(file));
    }
    std::ranges::sort(found_files_.left, {}, &LeftFile::name);
    return std::move(found_files_);
  }

 private:
  // Which model they are of, nothing says where the model is one file.
  void leave_documents(const fs::path& folder) {
    std::error_code ec;
    for (const fs::directory_entry& entry : entries(folder))
      if (const std::string name = entry.path().filename().string(); entry.is_regular_file(ec) && is_document(name))
        leave(name, "the model is one file of its folder; give the folder to take them along");
  }

  void leave(const std::string& name, std::string why) { found_files_.left.push_back({name, std::move(why)}); }

  std::vector<fs::directory_entry> entries(const fs::path& folder) const {
    std::vector<fs::directory_entry> all;
    std::error_code ec;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec))
      if (!is_passed_over(entry.path().filename().string())) all.push_back(entry);
    std::ranges::sort(all);
    return all;
  }

  bool holds_weights(const fs::path& folder, int depth) const {
    std::error_code ec;
    for (const fs::directory_entry& entry : entries(folder)) {
      if (may_hold_weights(entry.path())) return true;
      if (entry.is_directory(ec) && !entry.is_symlink(ec) && depth < limits_.depth &&
          holds_weights(entry.path(), depth + 1))
        return true;
    }
    return false;
  }

  void visit(const fs::path& folder, const std::string& prefix, int depth) {
    std::error_code ec;
    for (const fs::directory_entry& entry : entries(folder)) {
      const std::string name = prefix + entry.path().filename().string();
      if (!entry.is_directory(ec)) {
        visit_file(entry, name);
      } else if (entry.is_symlink(ec)) {
        leave(name + "/", "a link to a folder");
      } else if (depth == limits_.depth) {
        leave(name + "/", fmt::format("more than {} folders deep", limits_.depth));
      } else if (was_written_by_quern(entry.path())) {
        leave(name + "/", "a package of quern, or the report of one");
      } else if (holds_weights(entry.path(), depth + 1)) {
        leave(name + "/", kOtherModel);
      } else {
        visit(entry.path(), name + "/", depth + 1);
      }
    }
  }

  void visit_file(const fs::directory_entry& entry, const std::string& name) {
    std::error_code ec;
    if (own_.contains(fs::absolute(entry.path(), ec).lexically_normal()) || passed_.contains(name)) return;
    if (!entry.is_regular_file(ec)) return leave(name, "no file that can be read");
    if (entry.is_symlink(ec) && !stays_inside(entry.path())) return leave(name, "a link that leads out of the folder");
    if (may_hold_weights(entry.path())) return leave(name, kIsWeights);
    if (name.ends_with(kIndexSuffix)) return leave(name, "an index of other weights");
    if (std::ranges::find(kQuantizations, name) != std::end(kQuantizations))
      return leave(name, "it says how other weights were quantized");
    if (taken_.contains(name)) return leave(name, "its name is that of a file that quern writes");
    if (place_ == Format::Companions::kInside && !is_document(name)) return leave(name, kNoPlace);
    const std::uint64_t bytes = size_of_file(entry.path());
    if (bytes > limits_.file_bytes) return leave(name, fmt::format("more than {} MiB", limits_.file_bytes >> 20));
    const std::string as = name == kCardName ? kOriginalCard : name;
    if (!found_.emplace(as, CarriedFile{entry.path(), as, bytes}).second)
      leave(name, fmt::format("there is another file that is called {} in a package", as));
  }

  bool stays_inside(const fs::path& path) const {
    std::error_code ec;
    const fs::path target = fs::canonical(path, ec);
    return !ec && std::ranges::mismatch(root_, target).in1 == root_.end();
  }

  fs::path folder_, root_;  // root_: what links may lead to, without links
  Format::Companions place_;
  FolderLimits limits_;
  std::set<fs::path> own_;
  std::set<std::string> passed_, taken_;
  std::map<std::string, CarriedFile> found_;
  std::uint64_t bytes_ = 0;
  FolderFiles found_files_;
};

}  // namespace

FolderFiles folder_files(const Checkpoint& source, Format::Companions place, const FolderLimits& limits) {
  return Walk(source, place, limits).result();
}

std::vector<std::string> left_notes(const FolderFiles& files) {
  constexpr std::size_t kShown = 8;
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const LeftFile& file : files.left) by_reason[file.why].push_back(file.name);
  std::vector<std::string> notes;
  for (const auto& [why, names] : by_reason) {
    const std::size_t shown = std::min(kShown, names.size());
    notes.push_back(fmt::format("left behind ({}): {}{}", why, fmt::join(std::span(names).first(shown), ", "),
                                shown < names.size() ? fmt::format(" and {} more", names.size() - shown) : ""));
  }
  return notes;
}

}  // namespace quern
