// Over ICU's C interface, which works in UTF-16. A compiled expression holds the state of its match, so every call of
// split works on clones.
#include "text/text_splitter.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uregex.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "base/fail.h"

namespace quern {
namespace {

// In ICU's steps, about a millisecond each, for one match. The known patterns need less than one.
constexpr std::int32_t kMatchLimit = 2000;
// Backtracking memory of one match, in bytes: \s+ takes 32 for each character of a run.
constexpr std::uint64_t kStackFloor = 8'000'000, kStackPerUnit = 64;

void expect_success(UErrorCode status, std::string_view what) {
  if (U_FAILURE(status)) fail(ErrorCode::kInternal, "ICU cannot {}: {}", what, u_errorName(status));
}

std::u16string utf16_of(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    fail(ErrorCode::kInput, "{} bytes of text without a break are more than a tokenizer can split", text.size());
  std::u16string wide(text.size(), u'\0');  // never longer than UTF-8
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strFromUTF8(wide.data(), static_cast<std::int32_t>(wide.size()), &length, text.data(),
                static_cast<std::int32_t>(text.size()), &status);
  expect_success(status, "convert UTF-8");
  wide.resize(static_cast<std::size_t>(length));
  return wide;
}

std::string utf8_of(std::u16string_view wide) {
  std::string text(3 * wide.size(), '\0');
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strToUTF8(text.data(), static_cast<std::int32_t>(text.size()), &length, wide.data(),
              static_cast<std::int32_t>(wide.size()), &status);
  expect_success(status, "convert UTF-16");
  text.resize(static_cast<std::size_t>(length));
  return text;
}

// Python's str.isspace: Unicode's White_Space, and four separators of ASCII.
bool is_white_space(char16_t unit) { return u_isUWhiteSpace(unit) || (unit >= 0x1c && unit <= 0x1f); }

std::size_t utf8_length(std::u16string_view wide) {
  std::size_t length = 0;
  for (const char16_t unit : wide) {
    const bool surrogate = (unit & 0xf800) == 0xd800;  // half of a character of four bytes
    length += unit < 0x80 ? 1 : unit < 0x800 || surrogate ? 2 : 3;
  }
  return length;
}

std::int32_t stack_limit(std::u16string_view text) {
  const std::uint64_t wanted = kStackFloor + kStackPerUnit * text.size();
  return static_cast<std::int32_t>(std::min<std::uint64_t>(wanted, std::numeric_limits<std::int32_t>::max()));
}

struct Stage {
  URegularExpression* expression = nullptr;
  const std::string* pattern = nullptr;
};

// End of the next non-empty match in `text`, or nullopt; `begin` becomes its start.
std::optional<std::size_t> next_match(const Stage& stage, std::size_t& begin) {
  for (;;) {
    UErrorCode status = U_ZERO_ERROR;
    const bool found = uregex_findNext(stage.expression, &status);
    if (status == U_REGEX_TIME_OUT || status == U_REGEX_STACK_OVERFLOW)
      fail(ErrorCode::kInput, "the split pattern \"{}\" of the tokenizer takes too much {} on this text",
           *stage.pattern, status == U_REGEX_TIME_OUT ? "time" : "memory");
    expect_success(status, "search a text");
    if (!found) return std::nullopt;
    const std::int32_t from = uregex_start(stage.expression, 0, &status);
    const std::int32_t to = uregex_end(stage.expression, 0, &status);
    expect_success(status, "tell where a match lies");
    begin = static_cast<std::size_t>(from);
    if (from != to) return static_cast<std::size_t>(to);
  }
}

void cut(std::u16string_view text, std::span<const Stage> stages,
         const std::function<void(std::u16string_view)>& part) {
  if (text.empty()) return;
  if (stages.empty()) return part(text);
  UErrorCode status = U_ZERO_ERROR;
  uregex_setText(stages[0].expression, text.data(), static_cast<std::int32_t>(text.size()), &status);
  expect_success(status, "take a text");
  std::size_t done = 0, begin = 0;
  while (const auto end = next_match(stages[0], begin)) {
    cut(text.substr(done, begin - done), stages.subspan(1), part);
    cut(text.substr(begin, *end - begin), stages.subspan(1), part);
    done = *end;
  }
  cut(text.substr(done), stages.subspan(1), part);
}

}  // namespace

std::vector<std::string> lower_words(std::string_view text) {
  const std::u16string wide = utf16_of(text);
  std::u16string lower(3 * wide.size() + 1, u'\0');  // a character grows to at most 3 units (SpecialCasing.txt)
  UErrorCode status = U_ZERO_ERROR;
  const std::int32_t size = u_strToLower(lower.data(), static_cast<std::int32_t>(lower.size()), wide.data(),
                                         static_cast<std::int32_t>(wide.size()), "", &status);
  expect_success(status, "lower the case of a text");
  std::vector<std::string> words;
  std::size_t begin = 0;
  const auto close = [&](std::size_t end) {
    if (end > begin) words.push_back(utf8_of(std::u16string_view(lower).substr(begin, end - begin)));
    begin = end + 1;
  };
  for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i)  // white space is no surrogate
    if (is_white_space(lower[i])) close(i);
  close(static_cast<std::size_t>(size));
  return words;
}

std::string nfc_of(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* form = unorm2_getNFCInstance(&status);
  expect_success(status, "load the tables of NFC");
  const std::u16string wide = utf16_of(text);
  const auto length = static_cast<std::int32_t>(wide.size());
  const bool done = unorm2_isNormalized(form, wide.data(), length, &status);
  expect_success(status, "check for NFC");
  if (done) return std::string(text);
  std::u16string normal(3 * wide.size(), u'\0');  // a character grows to at most 3 units (UAX 15, section 9)
  const std::int32_t size =
      unorm2_normalize(form, wide.data(), length, normal.data(), static_cast<std::int32_t>(normal.size()), &status);
  expect_success(status, "bring a text to NFC");
  return utf8_of(std::u16string_view(normal).substr(0, static_cast<std::size_t>(size)));
}

void TextSplitter::Close::operator()(URegularExpression* expression) const { uregex_close(expression); }

TextSplitter::TextSplitter(const std::vector<std::string>& patterns) : patterns_(patterns) {
  for (const std::string& pattern : patterns_) {
    const std::u16string wide = utf16_of(pattern);
    UErrorCode status = U_ZERO_ERROR;
    UParseError where{};
    expressions_.emplace_back(uregex_open(wide.data(), static_cast<std::int32_t>(wide.size()), 0, &where, &status));
    if (U_FAILURE(status))
      fail(ErrorCode::kInput,
           "the split pattern \"{}\" of the tokenizer is not a regular expression: {} at character {}", pattern,
           u_errorName(status), where.offset);
  }
}

void TextSplitter::split(std::string_view text, const std::function<void(std::string_view)>& word) const {
  const std::u16string wide = utf16_of(text);
  std::vector<Expression> own;
  std::vector<Stage> stages;
  for (std::size_t i = 0; i < expressions_.size(); ++i) {
    UErrorCode status = U_ZERO_ERROR;
    own.emplace_back(uregex_clone(expressions_[i].get(), &status));
    uregex_setTimeLimit(own.back().get(), kMatchLimit, &status);
    uregex_setStackLimit(own.back().get(), stack_limit(wide), &status);
    expect_success(status, "copy a pattern");
    stages.push_back({own.back().get(), &patterns_[i]});
  }
  std::size_t at = 0;
  cut(wide, stages, [&](std::u16string_view part) {
    const std::size_t length = utf8_length(part);
    word(text.substr(at, length));
    at += length;
  });
}

}  // namespace quern
