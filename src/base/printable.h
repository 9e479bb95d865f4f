// Text from a file, made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace quern {

// Control bytes (below 32, and 127) as \xNN, but for line ends; all else as it is.
std::string printable(std::string_view text);

}  // namespace quern
