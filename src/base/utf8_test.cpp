// Well-formed and malformed UTF-8, against the table in RFC 3629.
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace quern {
namespace {

using namespace std::string_view_literals;

std::string encoded(std::uint32_t c) {
  std::string out;
  if (c < 0x80) return {static_cast<char>(c)};
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr int kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kLead[more] | static_cast<int>(c >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
  return out;
}

TEST(Utf8, AcceptsEveryCharacterButSurrogates) {
  for (std::uint32_t c = 0; c < 0x120000; ++c) {
    const bool valid = c < 0xd800 || (c > 0xdfff && c < 0x110000);
    ASSERT_EQ(first_invalid_utf8(encoded(c)), valid ? std::nullopt : std::optional<std::size_t>(0)) << std::hex << c;
  }
}

TEST(Utf8, NamesThePositionWhereACharacterBreaks) {
  EXPECT_EQ(first_invalid_utf8(""), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("caf\xe9"sv), 3u);               // Latin-1
  EXPECT_EQ(first_invalid_utf8("ab\xc0\xaf"sv), 2u);            // overlong '/'
  EXPECT_EQ(first_invalid_utf8("\xe0\x80\xaf"sv), 0u);          // overlong in three bytes
  EXPECT_EQ(first_invalid_utf8("\xf0\x80\x80\xaf"sv), 0u);      // overlong in four
  EXPECT_EQ(first_invalid_utf8("\xe6\x97\xa5\xe6\x97"sv), 3u);  // cut short
  EXPECT_EQ(first_invalid_utf8("\x80"sv), 0u);                  // continuation without a start
}

}  // namespace
}  // namespace quern
