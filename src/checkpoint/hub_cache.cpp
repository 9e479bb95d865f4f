// Names as huggingface_hub's repo_folder_name writes them.
#include "checkpoint/hub_cache.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "models--", kSeparator = "--";

}  // namespace

std::optional<fs::path> repository_in_hub_cache(const fs::path& path) {
  std::error_code ec;
  // Links in the snapshot itself lead out of it; those above it are followed where the path ends in a folder.
  const fs::path given = fs::absolute(path, ec).lexically_normal();
  const fs::path full = fs::is_directory(given, ec) ? fs::canonical(given, ec) : given;
  for (fs::path at = full; at.has_relative_path(); at = at.parent_path()) {
    if (at.filename() == "snapshots" && at.parent_path().filename().string().starts_with(kPrefix))
      return at.parent_path();
  }
  return std::nullopt;
}

std::optional<std::string> name_in_hub_cache(const fs::path& path) {
  const std::optional<fs::path> repository = repository_in_hub_cache(path);
  if (!repository) return std::nullopt;
  const std::string name = repository->filename().string().substr(kPrefix.size());
  const std::size_t at_name = name.find(kSeparator);  // a repository of no organisation has no separator
  const std::string found = at_name == std::string::npos ? name : name.substr(at_name + kSeparator.size());
  return found.empty() ? std::nullopt : std::optional(found);
}

}  // namespace quern
