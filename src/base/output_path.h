// Where a folder is written that is asked for by a name.
#pragma once

#include <filesystem>

namespace quern {

// "out/" is "out", and a symbolic link is the folder that it leads to, so that the link stays. Error(kUsage) for ".",
// ".." and "/", which cannot be renamed, and for a link that leads nowhere.
std::filesystem::path output_folder_path(const std::filesystem::path& given);

// `from`, a file or a folder, gets the name `to`. What had it lies under `from` afterwards where the two can be
// exchanged, so that at any moment one of them has the name; elsewhere it is moved aside and removed at the end.
// Error(kResource) when the system refuses; what was there has its name then.
void replace_path(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace quern
