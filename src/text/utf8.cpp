// Well-formed UTF-8 after table 3-7 of the Unicode standard.
//
//   first byte  second byte  more
//   00..7f      -            0
//   c2..df      80..bf       0
//   e0          a0..bf       1      (no overlong forms)
//   e1..ef      80..bf       1      (ed: 80..9f, no surrogates)
//   f0          90..bf       2      (no overlong forms)
//   f1..f4      80..bf       2      (f4: 80..8f, nothing beyond U+10FFFF)
#include "text/utf8.h"

#include <cstdint>

namespace quern {
namespace {

// Length of the well-formed character at the start of `text`, 0 when there is none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  const std::uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = character_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

}  // namespace quern
