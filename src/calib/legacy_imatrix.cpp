// All numbers little-endian.
//
//   i32 entries; each: i32 length, name, i32 calls, i32 values, f32 [values]
//   later versions, behind them: i32 chunks, i32 length, name of the text
#include "calib/legacy_imatrix.h"

#include <algorithm>

#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"

namespace quern {
namespace {

constexpr std::int32_t kMostEntries = 1 << 20, kLongestName = 1 << 10, kLongestDataset = 1 << 16;

// Bytes in order.
class Cursor {
 public:
  explicit Cursor(const File& file) : file_(file) {}

  bool is_at_end() const { return at_ == file_.size(); }

  std::int32_t integer(const char* what, std::int32_t least, std::int32_t most) {
    std::int32_t value = 0;
    take(std::as_writable_bytes(std::span(&value, 1)), what);
    if (value < least || value > most)
      fail(ErrorCode::kInput, "it says {} {} at byte {}; from {} to {} can be", value, what, at_ - sizeof(value), least,
           most);
    return value;
  }

  std::string text(std::int32_t length, const char* what) {
    std::string text(static_cast<std::size_t>(length), '\0');
    take(std::as_writable_bytes(std::span(text)), what);
    return text;
  }

  std::vector<float> floats(std::int32_t count, const std::string& of) {
    const auto bytes = static_cast<std::uint64_t>(count) * sizeof(float);
    if (bytes > file_.size() - at_) end_in("the values of " + printable(of));
    std::vector<float> values(static_cast<std::size_t>(count));
    take(std::as_writable_bytes(std::span(values)), "values");
    return values;
  }

 private:
  [[noreturn]] void end_in(const std::string& what) const {
    fail(ErrorCode::kInput, "the importance matrix ends in {}, at byte {}: it is cut short; make or download it again",
         what, file_.size());
  }

  void take(std::span<std::byte> out, const char* what) {
    if (out.size() > file_.size() - at_) end_in(what);
    file_.read(at_, out);
    at_ += out.size();
  }

  const File& file_;
  std::uint64_t at_ = 0;
};

bool is_word(const std::string& name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

bool is_legacy_imatrix(const std::filesystem::path& path) try {
  const File file(path);
  Cursor cursor(file);
  cursor.integer("entries", 1, kMostEntries);
  return is_word(cursor.text(cursor.integer("letters of a name", 1, kLongestName), "a name"));
} catch (const Error&) {
  return false;
}

LegacyImatrix read_legacy_imatrix(const std::filesystem::path& path) {
  const File file(path);
  Cursor cursor(file);
  LegacyImatrix matrix;
  const std::int32_t entries = cursor.integer("entries", 1, kMostEntries);
  for (std::int32_t i = 0; i < entries; ++i) {
    const std::string name = cursor.text(cursor.integer("letters of a name", 1, kLongestName), "a name");
    LegacyImatrix::Entry& entry = matrix.entries[name];
    entry.calls = static_cast<std::uint64_t>(cursor.integer("chunks of an entry", 0, INT32_MAX));
    entry.sums = cursor.floats(cursor.integer("values of an entry", 1, INT32_MAX), name);
  }
  if (cursor.is_at_end()) return matrix;
  matrix.chunks = static_cast<std::uint64_t>(cursor.integer("chunks", 0, INT32_MAX));
  matrix.dataset = cursor.text(cursor.integer("letters of the text's name", 0, kLongestDataset), "the text's name");
  return matrix;
}

}  // namespace quern
