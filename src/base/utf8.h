// Checking that text is UTF-8, and taking it apart.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace quern {

// Position of the first byte that does not begin a well-formed character (RFC 3629: no overlong forms, no surrogates,
// nothing beyond U+10FFFF), or nullopt when all of it is UTF-8.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

enum class Utf8Kind { kCharacter, kIncomplete, kIllFormed };
struct Utf8Part {
  Utf8Kind kind;
  std::size_t length;  // bytes
};

// What `text` begins with: a well-formed character; all of `text` when it may still become one (kIncomplete); or the
// bytes that one U+FFFD stands for (kIllFormed: a maximal subpart, as the Unicode standard recommends in section 3.9).
// REQUIRES: not empty.
Utf8Part first_utf8_part(std::string_view text);

}  // namespace quern
