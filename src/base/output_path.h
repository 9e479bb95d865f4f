// Where a folder is written that is asked for by a name.
#pragma once

#include <filesystem>

namespace quern {

// "out/" is "out", and a symbolic link is the folder that it leads to, so that the link stays. Error(kUsage) for ".",
// ".." and "/", which cannot be renamed, and for a link that leads nowhere.
std::filesystem::path output_folder_path(const std::filesystem::path& given);

}  // namespace quern
