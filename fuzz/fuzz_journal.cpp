// Arbitrary bytes as a journal: what counts is a prefix of whole lines. Then as what happened to a good journal: cut at
// any place and overwritten by the bytes, it never holds more than was written.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "encode/journal.h"

namespace {

void check_arbitrary(std::string_view text) {
  const quern::JournalContent content = quern::parse_journal(text);
  if (content.bytes > text.size() || (content.bytes && text[content.bytes - 1] != '\n')) __builtin_trap();
  const auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(content.bytes), '\n');
  if (static_cast<std::size_t>(lines) != content.records.size()) __builtin_trap();
  if (quern::parse_journal(text.substr(0, content.bytes)).records != content.records) __builtin_trap();
}

void check_damaged(std::string_view damage) {
  const std::pair<std::string, quern::Json> records[] = {{"a", 1}, {"b", "two"}, {"c", 0.3}};
  std::string good, check;
  for (const auto& [key, value] : records) {
    good += quern::journal_line(check, key, value);
    check = quern::parse_journal(good).check;
  }
  const std::size_t at = damage.empty() ? 0 : static_cast<std::uint8_t>(damage[0]) % good.size();
  std::string text = good;
  text.replace(at, damage.size(), damage);
  const quern::JournalContent content = quern::parse_journal(text);
  const auto whole = static_cast<std::size_t>(
      std::count(good.begin(), std::mismatch(good.begin(), good.end(), text.begin(), text.end()).first, '\n'));
  if (content.records.size() != whole) __builtin_trap();
  for (std::size_t i = 0; i < whole; ++i)
    if (content.records[i] != records[i]) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_arbitrary(text);
  check_damaged(text);
  return 0;
}
