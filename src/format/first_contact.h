// What people bring that no format opens, in one sentence that names it and the next step.
#pragma once

#include <filesystem>
#include <string>

namespace quern {

// Of a path that does not exist, a file or a folder; empty where nothing is known of it. Reads names and first bytes.
std::string what_it_is(const std::filesystem::path& path);

// Of a folder with an adapter (PEFT) and no model, which looks like one; empty of any other path.
std::string adapter_only(const std::filesystem::path& path);

// The only file with weights in a folder that no format opens as a whole, for it to be opened; empty: none or several.
std::filesystem::path only_weights_in(const std::filesystem::path& folder);

}  // namespace quern
