// What a compression gave, for a terminal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "report/report.h"

namespace quern::cli {

// The headline figures, a line each; two where the terminal has too few columns. Absent: there is none.
std::string report_text(const Report& report, std::optional<std::size_t> columns);

}  // namespace quern::cli
