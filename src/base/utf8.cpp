// Well-formed UTF-8 after table 3-7 of the Unicode standard.
//
//   first byte  second byte  more
//   00..7f      -            0
//   c2..df      80..bf       0
//   e0          a0..bf       1      (no overlong forms)
//   e1..ef      80..bf       1      (ed: 80..9f, no surrogates)
//   f0          90..bf       2      (no overlong forms)
//   f1..f4      80..bf       2      (f4: 80..8f, nothing beyond U+10FFFF)
#include "base/utf8.h"

#include <cstdint>

namespace quern {

Utf8Part first_utf8_part(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {Utf8Kind::kCharacter, 1};
  if (first < 0xc2 || first > 0xf4) return {Utf8Kind::kIllFormed, 1};
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Utf8Kind::kIncomplete, i};
    const std::uint8_t low = i > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t high = i > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (byte(i) < low || byte(i) > high) return {Utf8Kind::kIllFormed, i};
  }
  return {Utf8Kind::kCharacter, length};
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Part part = first_utf8_part(text.substr(at));
    if (part.kind != Utf8Kind::kCharacter) return at;
    at += part.length;
  }
  return std::nullopt;
}

}  // namespace quern
