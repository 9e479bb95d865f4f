// A forecast, for a terminal.
#pragma once

#include <string>

#include "forecast/forecast.h"

namespace quern::cli {

// Size, quality, memory and time, the alternatives, and how many weights get which number format.
// `columns`: of the terminal that it is for; absent: there is none.
std::string forecast_text(const CompressOptions& options, const Forecast& forecast, std::optional<std::size_t> columns);
// One line a tensor: number format, bytes, share of the divergence, reason.
std::string tensor_lines(const Forecast& forecast);

}  // namespace quern::cli
