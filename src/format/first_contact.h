// What people bring that no format opens, in one sentence that names it and the next step.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quern {

// Of a path that does not exist, a file or a folder; empty where nothing is known of it. Reads names and first bytes.
std::string what_it_is(const std::filesystem::path& path);

// The files in a folder whose names are those of weights that a format reads, in order.
std::vector<std::filesystem::path> models_in(const std::filesystem::path& folder);

}  // namespace quern
