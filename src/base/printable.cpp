// A table of ranges after Unicode 15 (general categories Cc, Cf, Zl, Zp; Default_Ignorable_Code_Point; noncharacters).
#include "base/printable.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/utf8.h"

namespace quern {
namespace {

struct Range {
  char32_t first, last;
};

constexpr Range kUnprintable[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},    // controls
    {0x00ad, 0x00ad},                        // soft hyphen
    {0x034f, 0x034f},                        // joiner of accents
    {0x061c, 0x061c},                        // mark of direction
    {0x115f, 0x1160},   {0x17b4, 0x17b5},    // letters that are drawn as nothing
    {0x180b, 0x180f},                        // selectors and separator of Mongolian
    {0x200b, 0x200b},   {0x200e, 0x200f},    // no width; marks of direction
    {0x2028, 0x202e},                        // line, paragraph; embeddings and overrides
    {0x2060, 0x206f},                        // no width; isolates
    {0x3164, 0x3164},   {0xfeff, 0xfeff},    // a filler; the byte order mark
    {0xffa0, 0xffa0},   {0xfff0, 0xfffb},    // a filler; annotations
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},  // shorthand; music
    {0xe0000, 0xe0fff},                      // tags
    {0xfdd0, 0xfdef},                        // noncharacters
};
constexpr Range kJoiners[] = {{0x200c, 0x200d}, {0xfe00, 0xfe0f}};
constexpr char32_t kJoiner = 0x200d, kEmojiStyle = 0xfe0f;  // may follow each other
constexpr char32_t kFirstJoined = 0x0600;                   // Latin, Greek, Cyrillic, Armenian and Hebrew join nothing

bool is_in(std::span<const Range> ranges, char32_t c) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return c >= range.first && c <= range.last; });
}

// Of one whole character.
char32_t code_point(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(character[i]); };
  if (character.size() == 1) return byte(0);
  char32_t value = byte(0) & (0x7fu >> character.size());
  for (std::size_t i = 1; i < character.size(); ++i) value = value << 6 | (byte(i) & 0x3fu);
  return value;
}

std::string escape_of(std::string_view bytes, Utf8Kind kind) {
  std::string out;
  if (kind != Utf8Kind::kCharacter || bytes.size() == 1) {
    for (const char byte : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    return out;
  }
  const auto value = static_cast<std::uint32_t>(code_point(bytes));
  return value < 0x10000 ? fmt::format("\\u{:04x}", value) : fmt::format("\\U{:08x}", value);
}

std::string json_escape_of(std::string_view bytes, Utf8Kind kind) {
  if (kind != Utf8Kind::kCharacter) return "\\ufffd";
  const auto value = static_cast<std::uint32_t>(code_point(bytes));
  if (value < 0x10000) return fmt::format("\\u{:04x}", value);
  const std::uint32_t above = value - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
}

std::string underscores(std::string_view bytes, Utf8Kind kind) {
  return std::string(kind == Utf8Kind::kCharacter ? 1 : bytes.size(), '_');
}

using Replacement = std::string (*)(std::string_view bytes, Utf8Kind kind);

// `before`: the character in front of `text`, and afterwards the last of it.
std::string replaced(std::string_view text, std::string_view kept, char32_t& before, Replacement replacement) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Part part = first_utf8_part(text);
    const std::string_view bytes = text.substr(0, part.length);
    text.remove_prefix(part.length);
    const char32_t c = part.kind == Utf8Kind::kCharacter ? code_point(bytes) : 0;
    const bool stays = kept.find(bytes) != kept.npos || !is_unprintable(c, before);
    if (stays)
      out += bytes;
    else
      out += replacement(bytes, part.kind);
    before = stays ? c : 0;
  }
  return out;
}

constexpr std::string_view kLayout = "\n\t";

}  // namespace

bool is_unprintable(char32_t character, char32_t before) {
  if (character >= ' ' && character <= '~') return false;
  if (is_in(kJoiners, character))
    return before < kFirstJoined || (is_in(kJoiners, before) && (before != kEmojiStyle || character != kJoiner));
  const bool is_noncharacter = (character & 0xfffe) == 0xfffe;
  return is_noncharacter || is_in(kUnprintable, character);
}

std::string printable_line(std::string_view text) {
  char32_t before = 0;
  return replaced(text, {}, before, escape_of);
}

std::string without_unprintable(std::string_view text) {
  char32_t before = 0;
  return replaced(text, {}, before, underscores);
}

std::string printable(std::string_view text) { return PrintablePieces().next(text); }

std::string PrintablePieces::next(std::string_view piece) { return replaced(piece, kLayout, before_, escape_of); }

std::string printable_json(std::string_view json) {
  char32_t before = 0;
  return replaced(json, kLayout, before, json_escape_of);
}

std::string excerpt(std::string_view text, std::size_t most) {
  if (text.size() <= most) return printable_line(text);
  std::size_t length = 0;
  while (true) {
    const Utf8Part part = first_utf8_part(text.substr(length));
    if (length + part.length > most) break;
    length += part.length;
  }
  return fmt::format("{}... ({} bytes)", printable_line(text.substr(0, length)), text.size());
}

}  // namespace quern
