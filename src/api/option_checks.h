// Options as callers may set them, before anything else looks at them. All throw Error(kUsage) that names the field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "quern/compress_options.h"

namespace quern {

// `field`: the option that the path is. `what`: what it should name.
void check_given(const std::filesystem::path& path, std::string_view field, std::string_view what);
void check_range(std::uint64_t value, std::uint64_t least, std::uint64_t most, std::string_view field);
void check_machine(const MachineOptions& machine);
// What can be seen without looking at a file.
void check_compress(const CompressOptions& options);

}  // namespace quern
