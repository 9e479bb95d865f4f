// What lies in a model's place when its download went wrong.
#pragma once

#include <filesystem>
#include <string>

namespace quern {

// Of the file at `path`, or of the files of weights in that folder: what one is in place of weights (a pointer of Git
// LFS, an HTML page) and what to do, as a sentence; empty where none looks like that. Reads the first bytes alone.
std::string stand_in_for_weights(const std::filesystem::path& path);

}  // namespace quern
