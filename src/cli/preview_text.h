// The five lines that say what compress is about to do.
#pragma once

#include <string>

#include "forecast/preview.h"

namespace quern::cli {

// Lines with their ends. `columns`: of the terminal that they are for; absent: there is none.
std::string preview_text(const CompressOptions& options, const CompressPreview& preview,
                         std::optional<std::size_t> columns);

}  // namespace quern::cli
