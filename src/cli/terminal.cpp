// Ranges of wide characters: Unicode 15, EastAsianWidth.txt, W and F, joined where what is between them is unassigned.
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "text/unicode_text.h"

namespace quern::cli {
namespace {

struct Range {
  char32_t first, last;
};
constexpr Range kWide[] = {{0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
                           {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x2705, 0x2705},
                           {0x274c, 0x274c},   {0x2753, 0x2757},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},
                           {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},
                           {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6b},   {0xff01, 0xff60},
                           {0xffe0, 0xffe6},   {0x16fe0, 0x1b2fb}, {0x1f18e, 0x1f265}, {0x1f300, 0x1f64f},
                           {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1faff}, {0x20000, 0x3fffd}};

std::size_t width_of_character(char32_t c) {
  if (is_nonspacing_mark(c) || is_other(c)) return 0;
  return std::ranges::any_of(kWide, [&](const Range& r) { return c >= r.first && c <= r.last; }) ? 2 : 1;
}

// The first character, or what is none and takes one column.
struct Piece {
  std::size_t bytes, columns;
};
Piece first_piece(std::string_view text) {
  const Utf8Part part = first_utf8_part(text);
  if (part.kind != Utf8Kind::kCharacter) return {part.length, 1};
  std::size_t at = 0;
  return {part.length, width_of_character(next_character(text.substr(0, part.length), at))};
}

}  // namespace

bool can_redraw(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && kind && *kind && std::string_view(kind) != "dumb";
}

std::optional<std::size_t> columns_of_terminal(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

std::size_t width_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Piece piece = first_piece(text);
    columns += piece.columns;
    text.remove_prefix(piece.bytes);
  }
  return columns;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  std::size_t bytes = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const Piece piece = first_piece(rest);
    if (piece.columns > columns) break;
    columns -= piece.columns;
    bytes += piece.bytes;
    rest.remove_prefix(piece.bytes);
  }
  return std::string(text.substr(0, bytes));
}

}  // namespace quern::cli
