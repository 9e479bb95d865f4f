// Bytes written in 64 printable characters (RFC 4648, section 4).
#pragma once

#include <string>
#include <string_view>

namespace quern {

// Error(kInput) for a character of another alphabet, or one too many or too few. Padding may be absent.
std::string decode_base64(std::string_view text);

}  // namespace quern
