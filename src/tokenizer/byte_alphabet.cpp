// The alphabet after GPT-2's encoder (bytes_to_unicode in github.com/openai/gpt-2, src/encoder.py). All characters take
// one or two bytes of UTF-8.
#include "tokenizer/byte_alphabet.h"

#include <array>

namespace quern {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<char16_t, 256> make_characters() {
  std::array<char16_t, 256> characters{};
  char16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    characters[byte] = stands_for_itself(byte) ? static_cast<char16_t>(byte) : next++;
  return characters;
}
constexpr std::array<char16_t, 256> kCharacters = make_characters();

constexpr std::size_t kEnd = 0x144;  // one past the last character
constexpr std::int16_t kNone = -1;

constexpr std::array<std::int16_t, kEnd> make_bytes() {
  std::array<std::int16_t, kEnd> bytes{};
  for (auto& byte : bytes) byte = kNone;
  for (unsigned byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}
constexpr std::array<std::int16_t, kEnd> kBytes = make_bytes();

}  // namespace

std::string alphabet_of_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const char16_t c = kCharacters[static_cast<std::uint8_t>(byte)];
    if (c >= 0x80) text += static_cast<char>(0xc0 | c >> 6);
    text += static_cast<char>(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
  }
  return text;
}

std::optional<std::string> bytes_of_alphabet(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t c = static_cast<std::uint8_t>(text[i]);
    if (c >= 0x80) {
      if (c < 0xc2 || c > 0xc5 || i + 1 == text.size()) return std::nullopt;
      const auto next = static_cast<std::uint8_t>(text[++i]);
      if (next < 0x80 || next > 0xbf) return std::nullopt;
      c = (c & 0x1f) << 6 | (next & 0x3f);
    }
    if (c >= kEnd || kBytes[c] == kNone) return std::nullopt;
    bytes += static_cast<char>(kBytes[c]);
  }
  return bytes;
}

}  // namespace quern
