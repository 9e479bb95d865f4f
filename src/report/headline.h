// The figures that every form of the report begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"

namespace quern {

struct HeadlineRow {
  std::string what, before, after, change;  // with "+-" before a standard error
};

std::vector<HeadlineRow> headline(const Report& report);

// Those rows for a terminal of so many columns: a line each, two where they do not fit. Absent: there is none.
std::string summary(const Report& report, std::optional<std::size_t> columns = std::nullopt);

// That nothing was compressed, or the files have become larger, and why; empty where they are smaller.
std::string size_remark(const Report& report);

// Why there are no figures of quality: one line.
std::string unmeasured(const Report& report);

// What a bound allows: perplexity at most 3.00% worse, mean KL divergence at most 0.02 nats
std::string allowed(const QualityBound& bound);

// What was asked for, and the figure that decided: "met: perplexity +1.85% of at most 3%", "missed: ...", a line each;
// none where nothing was.
std::vector<std::string> verdicts(const Report& report);

// 13,644,224
std::string grouped(std::uint64_t value);

}  // namespace quern
