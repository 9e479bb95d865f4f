// Checkpoints of llama2.c (karpathy/llama2.c), as its export.py writes them: the first without a version, 1 and 2.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/checkpoint.h"

namespace quern {

extern const Format kLlama2c;

// Of a file that begins as one without a version and has too few bytes or too many: a sentence that says so, and the
// next step. Empty: it does not look like one.
std::string damaged_llama2c(const std::filesystem::path& path);

}  // namespace quern
