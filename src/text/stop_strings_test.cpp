// Streams split in every way against the same stream at once; replacement characters against Python's.
#include "text/stop_strings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

using Strings = std::vector<std::string>;

struct Shown {
  std::string text;
  bool stopped;
  bool operator==(const Shown&) const = default;
};

// All text of a stream given in pieces of `size` bytes.
Shown shown(const Strings& stops, std::string_view stream, std::size_t size) {
  StopStrings emitter(stops);
  std::string text;
  for (std::size_t at = 0; at < stream.size(); at += size) text += emitter.feed(stream.substr(at, size));
  text += emitter.flush();
  return {text, emitter.stopped()};
}

TEST(StopStrings, WithoutAnyTextPassesAtOnce) {
  StopStrings emitter({});
  EXPECT_EQ(emitter.feed("ab"), "ab");
  EXPECT_EQ(emitter.feed(""), "");
  EXPECT_EQ(emitter.feed("c"), "c");
  EXPECT_EQ(emitter.flush(), "");
  EXPECT_FALSE(emitter.stopped());
}

TEST(StopStrings, WithholdsWhatMayBeginOneAndGivesItBackWhenItDoesNot) {
  StopStrings emitter({"\n\nUser:"});
  EXPECT_EQ(emitter.feed("Yes.\n"), "Yes.");
  EXPECT_EQ(emitter.feed("\nUs"), "");
  EXPECT_EQ(emitter.feed("ual"), "\n\nUsual");
  EXPECT_EQ(emitter.feed("\n\nUser"), "");
  EXPECT_EQ(emitter.flush(), "\n\nUser");
  EXPECT_FALSE(emitter.stopped());
}

TEST(StopStrings, ShowsTheTextBeforeAStopAndNothingAfterIt) {
  StopStrings emitter({"###"});
  EXPECT_EQ(emitter.feed("end#"), "end");
  EXPECT_EQ(emitter.feed("#"), "");
  EXPECT_FALSE(emitter.stopped());
  EXPECT_EQ(emitter.feed("#more"), "");
  EXPECT_TRUE(emitter.stopped());
  EXPECT_EQ(emitter.feed("still more"), "");
  EXPECT_EQ(emitter.flush(), "");
}

TEST(StopStrings, OneMoreRepetitionStaysInTheText) {
  for (const std::size_t size : {1u, 2u, 9u}) EXPECT_EQ(shown({"aab"}, "xaaaab", size), (Shown{"xaa", true})) << size;
}

TEST(StopStrings, OfOverlappingOnesTheFirstCompleteCountsAndThenTheLongest) {
  for (const std::size_t size : {1u, 2u, 3u, 8u}) {
    EXPECT_EQ(shown({"abc", "b"}, "xabcx", size), (Shown{"xa", true})) << size;
    EXPECT_EQ(shown({"bc", "abc"}, "xabcx", size), (Shown{"x", true})) << size;
    EXPECT_EQ(shown({"abcd", "bce"}, "xabcex", size), (Shown{"xa", true})) << size;
    EXPECT_EQ(shown({"abcd", "bce"}, "xabcf", size), (Shown{"xabcf", false})) << size;
  }
}

TEST(StopStrings, WithholdsCharactersUntilTheyAreWhole) {
  StopStrings emitter({});
  EXPECT_EQ(emitter.feed("a\xf0\x9f"), "a");
  EXPECT_EQ(emitter.feed("\x98"), "");
  EXPECT_EQ(emitter.feed("\x80\xe2\x82"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(emitter.flush(), "\xef\xbf\xbd");
  EXPECT_EQ(emitter.flush(), "");
}

TEST(StopStrings, StopsInCharactersSplitOverTokens) {
  for (const std::size_t size : {1u, 2u, 3u, 4u, 5u, 20u}) {
    EXPECT_EQ(shown({"\u3002"}, "\u65e5\u672c\u3002\u8a9e", size), (Shown{"\u65e5\u672c", true})) << size;
    // The first two bytes of the stop string begin another character as well.
    EXPECT_EQ(shown({"\u3002"}, "\u65e5\u3001\u8a9e", size), (Shown{"\u65e5\u3001\u8a9e", false})) << size;
  }
}

// bytes.decode("utf-8", "replace") of Python 3.11.
TEST(StopStrings, ReplacesIllFormedBytesAsPythonDoes) {
  const std::string r = "\xef\xbf\xbd";
  const std::pair<std::string, std::string> kCases[] = {
      {"a\xc3", "a" + r},
      {"\xc3"
       "E",
       r + "E"},
      {"\xe2\x82", r},
      {"\xe2\x82x", r + "x"},
      {"\xf0\x90\x80\xf0", r + r},
      {"\xed\xa0\x80z", r + r + r + "z"},
      {"\x80\xbf", r + r},
      {"\xf5"
       "a",
       r + "a"},
      {"\xe2\xe2\x82\xac", r + "\u20ac"},
      {"\xc0\xaf", r + r},
  };
  for (const auto& [bytes, text] : kCases)
    for (const std::size_t size : {1u, 2u, 8u}) {
      EXPECT_EQ(shown({}, bytes, size), (Shown{text, false})) << bytes << " " << size;
      EXPECT_EQ(shown({"E", "\x82"}, bytes + "!", size), shown({"E", "\x82"}, bytes + "!", 99)) << bytes << " " << size;
    }
}

TEST(StopStrings, TextDoesNotDependOnHowAStreamIsSplit) {
  Random random(1);
  const std::string_view alphabet = "aab\xe2\x82\xac\xc3";
  const auto some = [&](std::size_t length) {
    std::string out;
    for (std::size_t i = 0; i < length; ++i) out += alphabet[random.below(alphabet.size())];
    return out;
  };
  int stops_seen = 0;
  for (int i = 0; i < 2000; ++i) {
    const Strings stops{some(1 + random.below(4)), some(2 + random.below(4))};
    const std::string stream = some(random.below(30));
    const Shown whole = shown(stops, stream, 99);
    stops_seen += whole.stopped;
    for (const std::size_t size : {1u, 2u, 3u, 7u}) ASSERT_EQ(shown(stops, stream, size), whole) << i << " " << size;
  }
  EXPECT_GT(stops_seen, 500);
  EXPECT_LT(stops_seen, 1900);
}

TEST(StopStrings, RefusesAnEmptyOne) { EXPECT_THROW(StopStrings({"a", ""}), Error); }

}  // namespace
}  // namespace quern
