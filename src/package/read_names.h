// Which files in a model's folder programs look for, by their names.
#pragma once

#include <filesystem>

namespace quern {

// Weights, indices, configurations, tokenizers, templates and code, in any case of letters; archives, documents and
// pictures are none.
bool is_read_by_programs(const std::filesystem::path& file);

}  // namespace quern
