// What a run has finished, in a file that survives the run. A line a record:
//
//   CHECK {"key":KEY,"value":VALUE}
//
// CHECK is 16 hexadecimal digits of the SHA-256 of the line before's CHECK and this line's JSON: a line counts only
// when it and all lines before it are as they were written.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "quern/error.h"

namespace quern {

struct JournalContent {
  std::vector<std::pair<std::string, Json>> records;
  std::uint64_t bytes = 0;  // of the lines that count; what follows was torn or changed
  std::string check;        // of the last of them
};

// Never throws on what it finds: what cannot be read does not count.
JournalContent parse_journal(std::string_view text);

// The line of a record behind a line with the check `before` ("" for the first).
std::string journal_line(std::string_view before, std::string_view key, const Json& value);

class Journal {
 public:
  enum class Durability { kNow, kSoon };  // kSoon: within a second, if anything is added then

  // Continues the file, or begins it. What does not count is cut off.
  explicit Journal(const std::filesystem::path& path);

  // The last record of that key.
  std::optional<Json> find(std::string_view key) const;
  // What `convert` makes of it. A record on which it throws an Error counts as absent.
  template <typename Convert>
  std::optional<std::invoke_result_t<Convert, const Json&>> read(std::string_view key, Convert convert) const {
    const std::optional<Json> record = find(key);
    if (!record) return std::nullopt;
    try {
      return convert(*record);
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  bool empty() const noexcept { return records_.empty(); }
  // Records whose key begins so.
  std::size_t count(std::string_view prefix) const;
  // In the file at once; on the disk as asked. Error(kResource) when the disk refuses.
  void add(const std::string& key, const Json& value, Durability durability = Durability::kNow);

 private:
  std::map<std::string, std::string, std::less<>> records_;  // as JSON, a third of what its values take: one a tensor
  OutputFile file_;
  std::string check_;
  std::chrono::steady_clock::time_point synced_;
};

}  // namespace quern
