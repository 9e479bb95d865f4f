// Text files, documents, splits and windows.
#include "tokenizer/texts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "base/file.h"
#include "quern/error.h"
#include "tests/shared_folder.h"
#include "tokenizer/sentencepiece_proto.h"

namespace quern {
namespace {

using namespace std::string_view_literals;

class TextFile : public testing::Test {
 protected:
  ~TextFile() override { std::filesystem::remove(path_); }
  std::string loaded(std::string_view bytes) {
    OutputFile file(path_);
    file.write(bytes);
    file.finish();
    return load_text(path_);
  }
  std::string refusal(std::string_view bytes) {
    try {
      loaded(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      const std::string text = error.what();
      EXPECT_EQ(text.find(path_.string() + " "), 0u) << text;
      return text.substr(path_.string().size() + 1);
    }
    return "accepted";
  }
  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / ("quern_text_" + std::to_string(::getpid()) + ".txt");
};

TEST_F(TextFile, IsReadAsItIs) {
  EXPECT_EQ(loaded("one line"), "one line");
  EXPECT_EQ(loaded(" caf\xc3\xa9\n\n"), " caf\xc3\xa9\n\n");
}

// As open(path, newline=None) of Python reads it.
TEST_F(TextFile, EndsItsLinesInLineFeeds) {
  EXPECT_EQ(loaded("a\r\nb\rc\n\rd\r\r\n\re\r"), "a\nb\nc\n\nd\n\n\ne\n");
  std::vector<std::string> notes;
  load_text(path_, &notes);
  EXPECT_EQ(notes, std::vector<std::string>{"7 lines of " + path_.string() +
                                            " end in a carriage return; they were read as line feeds"});
  loaded("a\nb");
  load_text(path_, &notes);
  EXPECT_EQ(notes.size(), 1u);
}

TEST_F(TextFile, DropsTheUtf8Mark) { EXPECT_EQ(loaded("\xef\xbb\xbfx"), "x"); }

TEST_F(TextFile, WithoutTextIsRefused) {
  EXPECT_EQ(refusal(""), "is empty");
  EXPECT_EQ(refusal("\xef\xbb\xbf"), "is empty");
  EXPECT_EQ(refusal(" \n\t\r\n"), "holds only white space");
  EXPECT_EQ(refusal("\xef\xbb\xbf \n"), "holds only white space");
}

TEST_F(TextFile, InAnotherEncodingIsRefused) {
  EXPECT_EQ(refusal("\xff\xfe"
                    "a\0b\0"sv),
            "is UTF-16 (little-endian); convert it to UTF-8");
  EXPECT_EQ(refusal("\xfe\xff\0a\0b"sv), "is UTF-16 (big-endian); convert it to UTF-8");
  EXPECT_EQ(refusal("\xff\xfe\0\0a\0\0\0"sv), "is UTF-32 (little-endian); convert it to UTF-8");
  EXPECT_EQ(refusal("\0\0\xfe\xff\0\0\0a"sv), "is UTF-32 (big-endian); convert it to UTF-8");
  EXPECT_EQ(refusal("a \xe4\xf6\xfc"), "is not UTF-8: byte 0xe4 at position 2, and 2 more places; convert it to UTF-8");
}

// The parts are those of Python's bytes.decode(errors="replace").
TEST_F(TextFile, BrokenBytesBecomeReplacementCharacters) {
  std::vector<std::string> notes;
  EXPECT_EQ(loaded("\xef\xbb\xbfna\xefve text \xf0\x9f\x98 and \xed\xa0\x80 more of it, and so on for long"),
            "na\ufffdve text \ufffd and \ufffd\ufffd\ufffd more of it, and so on for long");
  load_text(path_, &notes);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_TRUE(notes[0].starts_with("5 places of ")) << notes[0];
  EXPECT_NE(notes[0].find("the first at byte 5; each was read as U+FFFD"), std::string::npos) << notes[0];
}

TEST(LoadText, NamesAFileThatIsMissing) {
  try {
    load_text("/nowhere/at/all.txt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/at/all.txt"), std::string::npos);
  }
}

using Views = std::vector<std::string_view>;

TEST(Documents, AreSeparatedByBlankLines) {
  EXPECT_EQ(documents_of("a\nb\n\nc"), (Views{"a\nb", "c"}));
  EXPECT_EQ(documents_of("\n\n a\n \t\r\n\n\nb \n"), (Views{" a", "b "}));
  EXPECT_EQ(documents_of("one"), Views{"one"});
  EXPECT_EQ(documents_of(""), Views{});
  EXPECT_EQ(documents_of("\n \n"), Views{});
}

TEST(Split, EveryFifthDocumentGoesToTheGate) {
  const TextSplit split = split_text("0\n\n1\n\n2\n\n3\n\n4\n\n5\n\n6\n\n7\n\n8\n\n9\n\n10\n");
  EXPECT_EQ(split.gate, "4\n\n9");
  EXPECT_EQ(split.calibration, "0\n\n1\n\n2\n\n3\n\n5\n\n6\n\n7\n\n8\n\n10");
}

TEST(Split, FewDocumentsAreCutByLines) {
  const TextSplit split = split_text("a\nb\nc\n\nd\ne\nf\n", 3);
  EXPECT_EQ(split.calibration, "a\nb\nd\ne");
  EXPECT_EQ(split.gate, "c\nf");
}

TEST(Split, BothSidesHaveTextEvenWithTwoLines) {
  const TextSplit split = split_text("a\nb");
  EXPECT_EQ(split.calibration, "a");
  EXPECT_EQ(split.gate, "b");
}

TEST(Split, OneLineIsRefused) {
  for (const char* text : {"one line\n", "one line", "", "\n\n"}) EXPECT_THROW(split_text(text), Error) << text;
}

TEST(Split, RunsShorterThanTwoAreRefused) {
  for (const unsigned every : {0u, 1u}) EXPECT_THROW(split_text("a\nb\nc", every), Error);
}

Tokenizer small_tokenizer(const std::function<void(Vocabulary&)>& change = [](Vocabulary&) {}) {
  const std::string bytes = read_text(QUERN_TESTDATA "/text/bpe.model");
  Vocabulary vocabulary = parse_sentencepiece_model(std::as_bytes(std::span(bytes)));
  change(vocabulary);
  return Tokenizer::from_vocabulary(vocabulary);
}

constexpr std::string_view kText =
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs.\n";

TEST(MakeWindows, BeginWithBosAndDropTheRemainder) {
  const Tokenizer tokenizer = small_tokenizer();
  std::vector<std::int32_t> all = tokenizer.encode(kText);
  all.insert(all.begin(), 1);
  const std::size_t length = 8, count = all.size() / length;
  ASSERT_NE(all.size() % length, 0u);
  ASSERT_GE(count, 3u);
  const Windows windows = make_windows(tokenizer, kText, length);
  ASSERT_EQ(windows.count(), count);
  for (std::size_t i = 0; i < count * length; ++i) EXPECT_EQ(windows.ids[i], i % length == 0 ? 1 : all[i]) << i;
  EXPECT_EQ(windows.window(1)[1], all[length + 1]);
}

TEST(MakeWindows, BeginWithAllThatATemplatePutsThere) {
  const Tokenizer tokenizer = small_tokenizer([](Vocabulary& v) { v.before_text = {2, 1}; });
  const std::vector<std::int32_t> all = tokenizer.encode(kText);
  const Windows windows = make_windows(tokenizer, kText, 8);
  EXPECT_EQ(windows.ids[2], all[0]);
  for (std::size_t i = 0; i < windows.count(); ++i) {
    EXPECT_EQ(windows.window(i)[0], 2);
    EXPECT_EQ(windows.window(i)[1], 1);
    EXPECT_EQ(windows.window(i)[7], all[i * 8 + 5]);
  }
  EXPECT_THROW(make_windows(tokenizer, kText, 1), Error);
}

TEST(MakeWindows, WithoutBosKeepEveryToken) {
  for (const auto& change : {+[](Vocabulary& v) { v.add_bos = false; }, +[](Vocabulary& v) { v.bos = -1; }}) {
    const Tokenizer tokenizer = small_tokenizer(change);
    const std::vector<std::int32_t> all = tokenizer.encode(kText);
    const Windows windows = make_windows(tokenizer, kText, 8);
    EXPECT_EQ(windows.ids,
              std::vector<std::int32_t>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 8 * 8)));
  }
}

TEST(MakeWindows, StopAtTheLimit) {
  const Tokenizer tokenizer = small_tokenizer();
  EXPECT_EQ(make_windows(tokenizer, kText, 8, 2).count(), 2u);
  EXPECT_EQ(make_windows(tokenizer, kText, 8, 1000).count(), make_windows(tokenizer, kText, 8).count());
}

TEST(MakeWindows, SayHowManyTokensATooShortTextHas) {
  const Tokenizer tokenizer = small_tokenizer();
  const std::size_t tokens = tokenizer.encode("too short").size() + 1;
  try {
    make_windows(tokenizer, "too short", 512);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_EQ(error.what(), "the text has " + std::to_string(tokens) + " tokens, fewer than one window of 512");
  }
  EXPECT_EQ(make_windows(tokenizer, "too short", tokens).count(), 1u);
  EXPECT_THROW(make_windows(tokenizer, "too short", tokens + 1), Error);
}

TEST(Split, OfTheSharedTextKeepsEveryDocumentOnce) {
  QUERN_NEEDS_SHARED("text/calib.txt");
  const std::string text = load_text(shared_folder() / "text/calib.txt");
  const TextSplit split = split_text(text), again = split_text(text);
  EXPECT_EQ(split.gate, again.gate);
  const std::size_t all = documents_of(text).size();
  ASSERT_GE(all, 5u);
  EXPECT_EQ(documents_of(split.gate).size(), all / 5);
  EXPECT_EQ(documents_of(split.calibration).size(), all - all / 5);
}

}  // namespace
}  // namespace quern
