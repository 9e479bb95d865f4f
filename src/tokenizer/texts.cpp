// Reading texts, cutting them into documents and windows.
#include "tokenizer/texts.h"

#include <algorithm>

#include "base/counted.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/utf8.h"

namespace quern {
namespace {

constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";

bool is_blank(std::string_view text) { return text.find_first_not_of(kWhiteSpace) == std::string_view::npos; }

// The encoding that a byte-order mark other than UTF-8's announces, or null. UTF-32's begins with UTF-16's: the order
// matters.
const char* foreign_mark(std::string_view text) {
  using namespace std::string_view_literals;
  constexpr std::pair<std::string_view, const char*> kMarks[] = {{"\xff\xfe\0\0"sv, "UTF-32 (little-endian)"},
                                                                 {"\0\0\xfe\xff"sv, "UTF-32 (big-endian)"},
                                                                 {"\xff\xfe"sv, "UTF-16 (little-endian)"},
                                                                 {"\xfe\xff"sv, "UTF-16 (big-endian)"}};
  for (const auto& [mark, name] : kMarks) {
    if (text.starts_with(mark)) return name;
  }
  return nullptr;
}

// More of a text than this is no text in UTF-8 but something else: one byte in
constexpr std::size_t kBrokenAtMost = 8;

// What is no UTF-8 becomes U+FFFD, as in Python's errors="replace". A text of another encoding is refused.
void replace_broken(std::string& text, const std::filesystem::path& path, std::vector<std::string>* notes) {
  const auto first = first_invalid_utf8(text);
  if (!first) return;
  std::string whole;
  std::size_t count = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Part part = first_utf8_part(rest);
    if (part.kind == Utf8Kind::kCharacter) {
      whole += rest.substr(0, part.length);
    } else {
      whole += "\ufffd";
      ++count;
    }
    rest.remove_prefix(part.length);
  }
  if (count > text.size() / kBrokenAtMost)
    fail(ErrorCode::kInput, "{} is not UTF-8: byte 0x{:02x} at position {}, and {} more places; convert it to UTF-8",
         path.string(), static_cast<unsigned char>(text[*first]), *first, count - 1);
  if (notes)
    notes->push_back(fmt::format("{} of {} are not UTF-8, the first at byte {}; each was read as U+FFFD",
                                 counted(count, "place"), path.string(), *first));
  text = std::move(whole);
}

// CR LF and CR become LF. How many there were.
std::size_t unify_newlines(std::string& text) {
  std::size_t count = 0, to = 0;
  for (std::size_t from = 0; from < text.size(); ++from) {
    const bool is_return = text[from] == '\r';
    if (is_return && from + 1 < text.size() && text[from + 1] == '\n') ++from;
    count += is_return;
    text[to++] = is_return ? '\n' : text[from];
  }
  text.resize(to);
  return count;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

TextSplit deal(const std::vector<std::string_view>& parts, unsigned every, std::string_view separator) {
  TextSplit split;
  const std::size_t run = std::min<std::size_t>(every, parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string& side = i % run == run - 1 ? split.gate : split.calibration;
    if (!side.empty()) side += separator;
    side += parts[i];
  }
  return split;
}

}  // namespace

std::string load_text(const std::filesystem::path& path, std::vector<std::string>* notes) {
  std::string text = read_text(path);
  if (const char* encoding = foreign_mark(text)) {
    fail(ErrorCode::kInput, "{} is {}; convert it to UTF-8", path.string(), encoding);
  }
  const std::size_t mark = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
  if (text.size() == mark) fail(ErrorCode::kInput, "{} is empty", path.string());
  if (is_blank(std::string_view(text).substr(mark)))
    fail(ErrorCode::kInput, "{} holds only white space", path.string());
  replace_broken(text, path, notes);
  text.erase(0, mark);
  if (const std::size_t count = unify_newlines(text); count && notes)
    notes->push_back(fmt::format("{} of {} end in a carriage return; they were read as line feeds",
                                 counted(count, "line"), path.string()));
  return text;
}

std::vector<std::string_view> documents_of(std::string_view text) {
  std::vector<std::string_view> documents;
  const char* begin = nullptr;  // of the document that is being gathered
  const char* end = nullptr;
  const auto close = [&] {
    if (begin) documents.emplace_back(begin, static_cast<std::size_t>(end - begin));
    begin = nullptr;
  };
  for (const std::string_view line : lines_of(text)) {
    if (is_blank(line)) {
      close();
      continue;
    }
    if (!begin) begin = line.data();
    end = line.data() + line.size();
  }
  close();
  return documents;
}

TextSplit split_text(std::string_view text, unsigned every) {
  if (every < 2) fail(ErrorCode::kUsage, "a text cannot be split by every {} documents; at least 2 are needed", every);
  const std::vector<std::string_view> documents = documents_of(text);
  if (documents.size() >= every) return deal(documents, every, "\n\n");
  std::vector<std::string_view> lines = lines_of(text);
  std::erase_if(lines, is_blank);
  if (lines.size() < 2) {
    fail(ErrorCode::kInput, "the text has {} line(s) and cannot be split into calibration and gate text", lines.size());
  }
  return deal(lines, every, "\n");
}

Windows make_windows(const Tokenizer& tokenizer, std::string_view text, std::size_t length, std::size_t limit) {
  ensure(length > 0, "windows of {} tokens", length);
  const std::vector<std::int32_t> before = ids_before_text(tokenizer.vocabulary());
  if (before.size() > length)
    fail(ErrorCode::kInput, "the tokenizer adds {} before a text, more than a window of {}",
         counted(before.size(), "token"), length);
  std::vector<std::int32_t> ids = tokenizer.encode(text);
  ids.insert(ids.begin(), before.begin(), before.end());
  std::size_t count = ids.size() / length;
  if (count == 0)
    fail(ErrorCode::kInput, "the text has {}, fewer than one window of {}", counted(ids.size(), "token"), length);
  if (limit > 0) count = std::min(count, limit);
  ids.resize(count * length);
  for (std::size_t i = 0; i < count; ++i)
    std::ranges::copy(before, ids.begin() + static_cast<std::ptrdiff_t>(i * length));
  return {length, std::move(ids)};
}

}  // namespace quern
