// Text from a file, made fit to be shown: on a terminal, in a page, in a message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern {

// Whether a character steers a terminal, turns or splits the text around it, or is not seen where it stands: controls
// (C0, DEL, C1), marks of direction, line and paragraph separators, characters without width, and those that Unicode
// keeps for programs. A joiner (U+200C, U+200D) or a variation selector is one only where it means nothing: behind
// `before`, the character in front of it (0: none), of a script below U+0600.
bool is_unprintable(char32_t character, char32_t before);

// One line: what is unprintable, line ends and tabs included, as \xNN (up to 7f), \uNNNN or \UNNNNNNNN; each byte that
// is no UTF-8 as \xNN; all else as it is, backslashes too.
std::string printable_line(std::string_view text);

// One line for metadata and names of files: the same places as "_", one for each character and each byte that is no
// UTF-8.
std::string without_unprintable(std::string_view text);

// Several lines: as printable_line(), but for line ends and tabs, which stay.
std::string printable(std::string_view text);

// Several lines that come in pieces, each of whole characters.
class PrintablePieces {
 public:
  std::string next(std::string_view piece);

 private:
  char32_t before_ = 0;
};

// JSON: the same by its own escapes, which leave its meaning as it is; a byte that is no UTF-8 as \ufffd.
std::string printable_json(std::string_view json);

// A value for a message, as printable_line() shows it. Of one over `most` bytes the beginning, and how long it is:
// abc... (1234 bytes)
std::string excerpt(std::string_view text, std::size_t most = 80);

}  // namespace quern
