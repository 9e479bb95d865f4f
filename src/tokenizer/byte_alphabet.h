// GPT-2's alphabet: a printable character for each of the 256 bytes, so that a vocabulary of byte strings is a list of
// words without white space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quern {

// The bytes 21..7e, a1..ac and ae..ff stand for themselves; the other 68, in their order, are U+0100..U+0143 (a space
// is U+0120).
std::string alphabet_of_bytes(std::string_view bytes);
// Nullopt when a character is not of the alphabet, or the text is not UTF-8.
std::optional<std::string> bytes_of_alphabet(std::string_view text);

}  // namespace quern
