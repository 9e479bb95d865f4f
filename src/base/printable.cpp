// Escapes of control bytes, so that a name cannot move the cursor or colour the terminal.
#include "base/printable.h"

#include <fmt/core.h>

namespace quern {

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

}  // namespace quern
