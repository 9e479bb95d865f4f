// The five lines that say what compress is about to do.
#pragma once

#include <string>

#include "forecast/preview.h"

namespace quern::cli {

// Lines with their ends.
std::string preview_text(const CompressOptions& options, const CompressPreview& preview);

}  // namespace quern::cli
