// Names of the files in a package that the container does not choose.
#pragma once

#include <string>

#include "report/manifest.h"

namespace quern {

inline constexpr const char* kStatisticsName = "statistics.gguf";
inline constexpr const char* kHessiansName = "hessians";  // a folder beside it, of work and of kept statistics
inline constexpr const char* kReportName = "report.json";
inline constexpr const char* kCardName = "README.md";
inline constexpr const char* kHtmlName = "report.html";
inline constexpr const char* kChainName = "chain.json";
inline constexpr const char* kChainHtmlName = "chain.html";
// Of a folder with the packages of a chain of compressions, beside these.
inline constexpr const char* kChainNames[] = {kChainName, kChainHtmlName, kCardName};
inline constexpr const char* kEvidenceSuffix =
    ".report";  // of the folder with the evidence of one file, behind its name
// Files of a package that no runtime needs.
inline constexpr const char* kEvidenceNames[] = {kReportName, kHtmlName, kCardName, kStatisticsName};

}  // namespace quern
