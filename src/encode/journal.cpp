// Checked lines: appended by one run, read by the next.
#include "encode/journal.h"

#include "base/sha256.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::size_t kCheckDigits = 16;
constexpr std::string_view kSeed = "quern journal 1";
constexpr std::chrono::seconds kSyncEvery{1};  // an fdatasync takes milliseconds; thousands of small tensors a second

std::string check_of(std::string_view before, std::string_view payload) {
  std::string text(before.empty() ? kSeed : before);
  text += payload;
  return sha256_of(std::as_bytes(std::span(text))).substr(0, kCheckDigits);
}

// False where the line does not count.
bool take_line(std::string_view line, JournalContent& content) {
  if (line.size() <= kCheckDigits || line[kCheckDigits] != ' ') return false;
  const std::string_view check = line.substr(0, kCheckDigits), payload = line.substr(kCheckDigits + 1);
  if (check != check_of(content.check, payload)) return false;
  try {
    const Json record = parse_json(payload);
    content.records.emplace_back(record.at("key").as_string(), record.at("value"));
  } catch (const Error&) {
    return false;
  }
  content.check = check;
  return true;
}

}  // namespace

JournalContent parse_journal(std::string_view text) {
  JournalContent content;
  for (;;) {
    const std::string_view rest = text.substr(content.bytes);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos || !take_line(rest.substr(0, end), content)) return content;
    content.bytes += end + 1;
  }
}

std::string journal_line(std::string_view before, std::string_view key, const Json& value) {
  const std::string payload = dump_json(Json::object({{"key", key}, {"value", value}}));
  return check_of(before, payload) + " " + payload + "\n";
}

Journal::Journal(const std::filesystem::path& path) : file_(path, OutputFile::Content::kKeep) {
  JournalContent content = parse_journal(read_text(path));
  for (auto& [key, value] : content.records) records_.insert_or_assign(std::move(key), dump_json(value));
  check_ = std::move(content.check);
  if (content.bytes < file_.position()) file_.truncate(content.bytes);
  sync_folder(path.parent_path());
}

std::optional<Json> Journal::find(std::string_view key) const {
  const auto found = records_.find(key);
  return found == records_.end() ? std::nullopt : std::optional(parse_json(found->second));
}

std::size_t Journal::count(std::string_view prefix) const {
  std::size_t count = 0;
  for (auto at = records_.lower_bound(prefix); at != records_.end() && at->first.starts_with(prefix); ++at) ++count;
  return count;
}

void Journal::add(const std::string& key, const Json& value, Durability durability) {
  const std::string line = journal_line(check_, key, value);
  file_.write(line);
  check_ = line.substr(0, kCheckDigits);
  records_.insert_or_assign(key, dump_json(value));
  const auto now = std::chrono::steady_clock::now();
  if (durability == Durability::kSoon && now - synced_ < kSyncEvery) return;
  file_.sync();
  synced_ = now;
}

}  // namespace quern
