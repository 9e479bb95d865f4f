// Checking that text is UTF-8.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace quern {

// Position of the first byte that does not begin a well-formed character (RFC 3629: no overlong forms, no surrogates,
// nothing beyond U+10FFFF), or nullopt when all of it is UTF-8.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

}  // namespace quern
