// The report as one page of HTML, for reading offline: no network, no other files, light and dark, on screen and paper.
#pragma once

#include <string>

#include "report/report.h"

namespace quern {

// Drawn from the report alone; sections for which it holds nothing are left out. Every text from files is escaped.
// Error(kInternal) where a figure is not finite.
std::string html_report(const Report& report);

}  // namespace quern
