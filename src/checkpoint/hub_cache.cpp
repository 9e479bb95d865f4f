// Names as huggingface_hub's repo_folder_name writes them.
#include "checkpoint/hub_cache.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "models--", kSeparator = "--";

}  // namespace

std::optional<std::string> name_in_hub_cache(const fs::path& path) {
  std::error_code ec;
  // Links in the snapshot itself lead out of it; those above it are followed where the path ends in a folder.
  const fs::path given = fs::absolute(path, ec).lexically_normal();
  const fs::path full = fs::is_directory(given, ec) ? fs::canonical(given, ec) : given;
  for (fs::path at = full; at.has_relative_path(); at = at.parent_path()) {
    const std::string repository = at.parent_path().filename().string();
    if (at.filename() != "snapshots" || !repository.starts_with(kPrefix)) continue;
    const std::string name = repository.substr(kPrefix.size());
    const std::size_t at_name = name.find(kSeparator);  // a repository of no organisation has no separator
    const std::string found = at_name == std::string::npos ? name : name.substr(at_name + kSeparator.size());
    return found.empty() ? std::nullopt : std::optional(found);
  }
  return std::nullopt;
}

}  // namespace quern
