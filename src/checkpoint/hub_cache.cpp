// Names as huggingface_hub's repo_folder_name writes them.
#include "checkpoint/hub_cache.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "models--", kSeparator = "--";

}  // namespace

bool is_repository_in_hub_cache(const fs::path& folder) { return folder.filename().string().starts_with(kPrefix); }

std::optional<fs::path> repository_in_hub_cache(const fs::path& path) {
  std::error_code ec;
  // Links in the snapshot itself lead out of it; those above it are followed where the path ends in a folder.
  const fs::path given = fs::absolute(path, ec).lexically_normal();
  const fs::path full = fs::is_directory(given, ec) ? fs::canonical(given, ec) : given;
  for (fs::path at = full; at.has_relative_path(); at = at.parent_path()) {
    if (at.filename() == "snapshots" && is_repository_in_hub_cache(at.parent_path())) return at.parent_path();
  }
  return std::nullopt;
}

std::optional<std::string> id_in_hub_cache(const fs::path& path) {
  const std::optional<fs::path> repository = repository_in_hub_cache(path);
  if (!repository) return std::nullopt;
  std::string id = repository->filename().string().substr(kPrefix.size());
  const std::size_t separator = id.find(kSeparator);  // a repository of no organisation has none
  if (separator != std::string::npos) id.replace(separator, kSeparator.size(), "/");
  return id.empty() || id.ends_with('/') ? std::nullopt : std::optional(id);
}

std::optional<std::string> name_in_hub_cache(const fs::path& path) {
  const std::optional<std::string> id = id_in_hub_cache(path);
  return id ? std::optional(id->substr(id->find('/') + 1)) : std::nullopt;
}

}  // namespace quern
