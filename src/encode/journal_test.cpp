// Journals that were torn, changed or cut, and what still counts of them.
#include "encode/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "checkpoint/scratch_folder_fixture.h"

namespace quern {
namespace {

const std::pair<std::string, Json> kRecords[] = {
    {"run", Json::object({{"program", "0.1.0"}})},
    {"tensor a", Json::array({0.1, 1e-300, -0.0, 12345678901234567.0})},
    {"tensor b", Json("line\nbreak \"quoted\"")},
    {"statistics", Json(nullptr)},
};

std::string whole_text() {
  std::string text, check;
  for (const auto& [key, value] : kRecords) {
    const std::string line = journal_line(check, key, value);
    check = line.substr(0, 16);
    text += line;
  }
  return text;
}

std::size_t records_in(std::string_view text) { return parse_journal(text).records.size(); }

// Records whose lines end at or before `bytes`.
std::size_t lines_before(std::string_view text, std::size_t bytes) {
  return static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bytes), '\n'));
}

TEST(Journal, ReadsWhatWasWritten) {
  const std::string text = whole_text();
  const JournalContent content = parse_journal(text);
  EXPECT_EQ(content.bytes, text.size());
  ASSERT_EQ(content.records.size(), std::size(kRecords));
  for (std::size_t i = 0; i < std::size(kRecords); ++i) EXPECT_EQ(content.records[i], kRecords[i]);
}

TEST(Journal, OfATornLineOnlyTheLinesBeforeCount) {
  const std::string text = whole_text();
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(records_in(std::string_view(text).substr(0, size)), lines_before(text, size)) << size;
}

TEST(Journal, NothingBehindAChangedByteCounts) {
  const std::string text = whole_text();
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(records_in(changed), lines_before(text, at)) << at;
  }
}

TEST(Journal, LinesThatAreMissingOrSwappedEndIt) {
  const std::string text = whole_text();
  const std::size_t first = text.find('\n') + 1, second = text.find('\n', first) + 1;
  const std::string a = text.substr(0, first), b = text.substr(first, second - first), rest = text.substr(second);
  EXPECT_EQ(records_in(a + rest), 1u);
  EXPECT_EQ(records_in(a + b + b + rest), 2u);
  EXPECT_EQ(records_in(b + a + rest), 0u);
  EXPECT_EQ(records_in("\n" + text), 0u);
  EXPECT_EQ(records_in("0123456789abcdef {}\n" + text), 0u);
}

TEST(Journal, GoesOnBehindWhatCounts) {
  const ScratchFolder scratch;
  const std::filesystem::path path = scratch.path() / "journal";
  {
    Journal journal(path);
    EXPECT_TRUE(journal.empty());
    for (const auto& [key, value] : kRecords) journal.add(key, value, Journal::Durability::kSoon);
  }
  EXPECT_EQ(read_text(path), whole_text());
  std::ofstream(path, std::ios::app) << "0123456789abcdef {\"key\":\"torn";
  {
    Journal journal(path);
    EXPECT_EQ(journal.count("tensor "), 2u);
    EXPECT_EQ(*journal.find("tensor a"), kRecords[1].second);
    EXPECT_FALSE(journal.find("tensor"));
    journal.add("tensor a", 7);
    EXPECT_EQ(*journal.find("tensor a"), Json(7));
  }
  const Journal journal(path);
  EXPECT_EQ(parse_journal(read_text(path)).records.size(), 5u);
  EXPECT_EQ(*journal.find("tensor a"), Json(7));
}

TEST(Journal, OfAnotherFileIsEmpty) {
  const ScratchFolder scratch;
  const auto path = scratch.write("journal", "dear diary\n");
  EXPECT_TRUE(Journal(path).empty());
  EXPECT_EQ(read_text(path), "");
}

}  // namespace
}  // namespace quern
