// The cache of the Hugging Face hub: models--ORG--NAME/snapshots/COMMIT/ holds links into models--ORG--NAME/blobs/.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace quern {

// Whether the folder is one of a repository, by its name.
bool is_repository_in_hub_cache(const std::filesystem::path& folder);

// NAME, where the path lies in a snapshot. nullopt anywhere else.
std::optional<std::string> name_in_hub_cache(const std::filesystem::path& path);

// ORG/NAME, or NAME of a repository without an organisation, where the path lies in a snapshot. nullopt anywhere else.
std::optional<std::string> id_in_hub_cache(const std::filesystem::path& path);

// models--ORG--NAME, where the path lies in one of its snapshots: the folder, without links. nullopt anywhere else.
std::optional<std::filesystem::path> repository_in_hub_cache(const std::filesystem::path& path);

}  // namespace quern
