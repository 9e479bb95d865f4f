// Reading: archives that Python's zipfile wrote, and every way one can be wrong.
#include "archive/zip.h"

#include <algorithm>
#include <random>

#include "base/fail.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "fuzz/memory_file.h"

namespace quern {
namespace {

std::filesystem::path archive(const std::string& name) { return fixture("zip") / name; }

std::vector<std::byte> bytes_of(const std::filesystem::path& path, std::string_view name) {
  const File file(path);
  const std::vector<ZipEntry> entries = read_zip_directory(file);
  const ZipEntry* entry = find_entry(entries, name);
  if (!entry) fail(ErrorCode::kInput, "no entry {}", name);
  return read_entry(file, *entry, 1 << 24);
}

std::string refusal_of(const std::filesystem::path& path) {
  try {
    const File file(path);
    for (const ZipEntry& entry : read_zip_directory(file)) read_entry(file, entry, 1 << 24);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  return "";
}

TEST(Zip, ReadsStoredAndDeflatedEntries) {
  const File file(archive("mixed.zip"));
  std::vector<std::string> names;
  for (const ZipEntry& entry : read_zip_directory(file)) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"caf\xc3\xa9", "empty", "folder/", "folder/deflated", "folder/stored"}));
  EXPECT_EQ(bytes_of(file.path(), "folder/stored"), ramp(100, 1));
  EXPECT_EQ(bytes_of(file.path(), "folder/deflated"), ramp(5000, 2));
  EXPECT_TRUE(bytes_of(file.path(), "empty").empty());
  EXPECT_EQ(bytes_of(file.path(), "caf\xc3\xa9").size(), 13u);
}

TEST(Zip, ReadsZip64AndDescriptors) {
  EXPECT_EQ(bytes_of(archive("zip64.zip"), "a"), ramp(100, 3));
  EXPECT_EQ(bytes_of(archive("zip64.zip"), "b"), ramp(3000, 4));
}

TEST(Zip, DeflatedBytesAreReadFromAnyPosition) {
  const File file(archive("large.zip"));
  const std::vector<ZipEntry> entries = read_zip_directory(file);
  const ByteRun& run = entries.at(0).run;
  ASSERT_EQ(run.bytes, 3'000'000u);
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t first = random() % 749'000, count = 1 + random() % (i == 0 ? 700'000 : 500);
    std::vector<std::uint32_t> counters(std::min<std::uint64_t>(count, 750'000 - first));
    run.read(file, first * 4, std::as_writable_bytes(std::span(counters)));
    for (std::size_t k = 0; k < counters.size(); ++k) ASSERT_EQ(counters[k], (first + k) % 4096) << first << " " << k;
  }
}

std::string refusal_of_bytes(std::string_view bytes) {
  return refusal_of(MemoryFile(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()).path());
}

TEST(Zip, AnArchiveCutAnywhereIsRefused) {
  for (const char* name : {"mixed.zip", "zip64.zip"}) {
    const std::string whole = text_of_file(archive(name));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_NE(refusal_of_bytes(std::string_view(whole).substr(0, size)), "") << name << size;
  }
}

TEST(Zip, ChangedBytesAreReadOrRefused) {
  for (const char* name : {"mixed.zip", "zip64.zip"}) {
    const std::string whole = text_of_file(archive(name));
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (const char value : {'\0', '\xff'}) {
        std::string changed = whole;
        changed[at] = value;
        refusal_of_bytes(changed);  // neither crash nor another exception
      }
  }
}

// An archive of stored entries, by hand.
struct Built {
  std::string name;
  std::string data = "data";
  std::uint16_t method = 0, flags = 0;
  std::uint32_t bytes = 4;
  std::int64_t header = -1;  // -1: where it is
};

template <typename T>
void put(std::string& out, std::size_t at, T value) {
  store<T>(out.data() + at, value);
}

std::string built(const std::vector<Built>& entries) {
  std::string file, directory;
  for (const Built& e : entries) {
    const std::size_t at = e.header < 0 ? file.size() : static_cast<std::size_t>(e.header);
    std::string local(30, '\0'), central(46, '\0');
    put<std::uint32_t>(local, 0, 0x04034b50);
    put<std::uint16_t>(local, 8, e.method);
    put<std::uint16_t>(local, 26, static_cast<std::uint16_t>(e.name.size()));
    put<std::uint32_t>(central, 0, 0x02014b50);
    put<std::uint16_t>(central, 8, e.flags);
    put<std::uint16_t>(central, 10, e.method);
    put<std::uint32_t>(central, 20, static_cast<std::uint32_t>(e.data.size()));
    put<std::uint32_t>(central, 24, e.bytes);
    put<std::uint16_t>(central, 28, static_cast<std::uint16_t>(e.name.size()));
    put<std::uint32_t>(central, 42, static_cast<std::uint32_t>(at));
    if (e.header < 0) file += local + e.name + e.data;
    directory += central + e.name;
  }
  std::string end(22, '\0');
  put<std::uint32_t>(end, 0, 0x06054b50);
  put<std::uint16_t>(end, 10, static_cast<std::uint16_t>(entries.size()));
  put<std::uint32_t>(end, 12, static_cast<std::uint32_t>(directory.size()));
  put<std::uint32_t>(end, 16, static_cast<std::uint32_t>(file.size()));
  return file + directory + end;
}

TEST(Zip, EveryRuleThatIsBrokenIsNamed) {
  const std::string deflated = {'\x4b', '\x4c', '\x4a', '\x4e', '\x49', '\x4d', '\x4b', '\x07', '\x00'};  // "abcdefg"
  const std::pair<std::vector<Built>, std::string_view> cases[] = {
      {{{"a"}, {"b"}}, ""},
      {{{"a", deflated, 8, 0, 7}}, ""},
      {{{"a", deflated, 8, 0, 6}}, "more than the 6"},
      {{{"a", deflated, 8, 0, 8}}, "give 7, but 8"},
      {{{"a", "\xff", 8, 0, 4}}, "damaged"},
      {{{"a", deflated, 8, 0, 1'000'000}}, "cannot give 1000000"},
      {{{"a", "data", 0, 0, 5}}, "stored in 4 bytes and said to have 5"},
      {{{"a", "data", 12}}, "method 12"},
      {{{"a", "data", 0, 1}}, "encrypted"},
      {{{"a"}, {"a"}}, "two entries"},
      {{{"a"}, {"a", "data", 0, 0, 4, 0}}, "overlap at byte 0"},
      {{{"a"}, {"b", "data", 0, 0, 4, 0}}, "not its header"},
      {{{"a"}, {"b", "data", 0, 0, 4, 100}}, "at byte 100"},
      {{{"../a"}}, "leads out"},
      {{{"x/../a"}}, "leads out"},
      {{{"x/.."}}, "leads out"},
      {{{"x..y"}}, ""},
      {{{"/etc/passwd"}}, "not a path within"},
      {{{"C:a"}}, "not a path within"},
      {{{"..\\a"}}, "not a path within"},
      {{{""}}, "not UTF-8"},
      {{{"\xff"}}, "not UTF-8"},
      {{{std::string("a\0b", 3)}}, "not UTF-8"},
  };
  for (const auto& [entries, message] : cases) {
    const std::string said = refusal_of_bytes(built(entries));
    EXPECT_EQ(said.empty(), message.empty()) << said << message;
    EXPECT_NE(said.find(message), std::string::npos) << said << "\nlacks: " << message;
  }
}

TEST(Zip, ALargeEntryIsNotReadWhereASmallOneIsExpected) {
  const File file(archive("large.zip"));
  EXPECT_THROW(read_entry(file, read_zip_directory(file).at(0), 2'999'999), Error);
}

}  // namespace
}  // namespace quern
