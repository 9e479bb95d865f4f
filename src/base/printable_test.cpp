// What moves a cursor, turns text around or hides becomes visible; all else stays as it is.
#include "base/printable.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

using namespace std::string_view_literals;

TEST(Printable, EscapesControlsAndLeavesText) {
  EXPECT_EQ(printable_line("a\x1b[2J\tb\x7f\r\n"), "a\\x1b[2J\\x09b\\x7f\\x0d\\x0a");
  EXPECT_EQ(printable_line("caf\u00e9 \\x \u0645\u062f\u0644 \u6a21\u578b \U0001f600"),
            "caf\u00e9 \\x \u0645\u062f\u0644 \u6a21\u578b \U0001f600");
  EXPECT_EQ(printable_line("\0"sv), "\\x00");
  EXPECT_EQ(printable_line("\u009b31m"), "\\u009b31m");  // C1's own "ESC ["
}

TEST(Printable, EscapesWhatTurnsSplitsOrHides) {
  for (const auto& [text, expected] : {std::pair{"a\u202eb", "a\\u202eb"},
                                       {"a\u2066b", "a\\u2066b"},
                                       {"a\u200fb", "a\\u200fb"},
                                       {"a\u061cb", "a\\u061cb"},
                                       {"a\u2028b", "a\\u2028b"},
                                       {"a\u200bb", "a\\u200bb"},
                                       {"a\u200db", "a\\u200db"},
                                       {"a\ufe0fb", "a\\ufe0fb"},
                                       {"a\u00adb", "a\\u00adb"},
                                       {"a\ufeffb", "a\\ufeffb"},
                                       {"a\U000e0041b", "a\\U000e0041b"},
                                       {"a\U0010ffffb", "a\\U0010ffffb"}})
    EXPECT_EQ(printable_line(text), expected);
}

TEST(Printable, JoinersStayWhereAScriptOrAnEmojiNeedsThem) {
  for (const char* text : {"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f468\u200d\U0001f469",
                           "\u2764\ufe0f\u200d\U0001f525"})
    EXPECT_EQ(printable_line(text), text);
  EXPECT_EQ(printable_line("\u200d\u200d"), "\\u200d\\u200d");
  EXPECT_EQ(printable_line("\U0001f468\u200d\u200d"), "\U0001f468\u200d\\u200d");
}

TEST(Printable, ShowsBytesThatAreNoText) {
  EXPECT_EQ(printable_line("caf\xe9!"), "caf\\xe9!");
  EXPECT_EQ(printable_line("\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
  EXPECT_EQ(printable_line("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(Printable, NamesOfFilesLoseThem) {
  EXPECT_EQ(without_unprintable("a\xff\nb\x7f\u00e4\u202e"), "a__b_\u00e4_");
  EXPECT_EQ(without_unprintable("\xf0\x9f\x98"), "___");
}

TEST(Printable, LinesKeepTheirEnds) {
  EXPECT_EQ(printable("one\n\ttwo\r\x1b"), "one\n\ttwo\\x0d\\x1b");
  PrintablePieces lines;
  std::string text;
  for (const char* piece : {"\U0001f468", "\u200d", "\U0001f469\n\u200d"}) text += lines.next(piece);
  EXPECT_EQ(text, "\U0001f468\u200d\U0001f469\n\\u200d");
}

TEST(Excerpt, EndsBetweenCharactersAndSaysHowMuchThereIs) {
  EXPECT_EQ(excerpt("abc", 3), "abc");
  EXPECT_EQ(excerpt("ab\u00e9d", 3), "ab... (5 bytes)");
  EXPECT_EQ(excerpt("a\x1b"
                    "bcd",
                    3),
            "a\\x1bb... (5 bytes)");
}

}  // namespace
}  // namespace quern
