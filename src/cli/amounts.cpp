// Units by size.
#include "cli/amounts.h"

#include <fmt/core.h>

namespace quern::cli {

std::string with_unit(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value >= 1e9 ? fmt::format("{:.1f} GB", value / 1e9) : fmt::format("{:.1f} MB", value / 1e6);
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  if (whole == 0) return "less than a second";
  if (whole < 120) return fmt::format("{} s", whole);
  const std::uint64_t minutes = (whole + 30) / 60;
  return minutes < 120 ? fmt::format("{} min", minutes) : fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

}  // namespace quern::cli
