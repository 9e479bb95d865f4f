// A forecast, for a terminal.
#pragma once

#include <string>

#include "forecast/forecast.h"

namespace quern::cli {

// Size, quality, memory and time, the alternatives, and how many weights get which number format.
std::string forecast_text(const CompressOptions& options, const Forecast& forecast);
// One line a tensor: number format, bytes, share of the divergence, reason.
std::string tensor_lines(const Forecast& forecast);

}  // namespace quern::cli
