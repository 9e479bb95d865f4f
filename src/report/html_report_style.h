// What the HTML report looks like: its style sheet, and its script for hovering and the colour scheme.
#pragma once

namespace quern {

extern const char* const kReportStyle;
extern const char* const kReportScript;

}  // namespace quern
