// Bytes and seconds, as a person says them.
#pragma once

#include <cstdint>
#include <string>

namespace quern::cli {

// "12.6 GB", "4.7 MB".
std::string with_unit(std::uint64_t bytes);
// "less than a second", "75 s", "12 min", "3 h 20 min".
std::string duration(double seconds);

}  // namespace quern::cli
