// Over ICU's C interface, which works in UTF-16. A compiled expression holds the state of its match, so every call of
// split works on clones.
#include "text/text_splitter.h"

#include <unicode/uchar.h>
#include <unicode/uregex.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "base/fail.h"
#include "text/utf16.h"

namespace quern {
namespace {

// In ICU's steps, about a millisecond each, for one match. The known patterns need less than one.
constexpr std::int32_t kMatchLimit = 2000;
// Backtracking memory of one match, in bytes: \s+ takes 32 for each character of a run.
constexpr std::uint64_t kStackFloor = 8'000'000, kStackPerUnit = 64;

// `text` as ICU takes it, which counts in 31 bits.
std::u16string splittable(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    fail(ErrorCode::kInput, "{} bytes of text without a break are more than a tokenizer can split", text.size());
  return utf16_of(text);
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

void set_text(const Stage& stage, std::u16string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  uregex_setText(stage.expression, text.data(), static_cast<std::int32_t>(text.size()), &status);
  expect_success(status, "take a text");
}

void cut(std::u16string_view text, std::span<const Stage> stages,
         const std::function<void(std::u16string_view)>& part) {
  if (text.empty()) return;
  if (stages.empty()) return part(text);
  set_text(stages[0], text);
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
  const std::u16string wide = splittable(text);
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

void TextSplitter::Close::operator()(URegularExpression* expression) const { uregex_close(expression); }

TextSplitter::TextSplitter(const std::vector<std::string>& patterns) : patterns_(patterns) {
  for (const std::string& pattern : patterns_) {
    const std::u16string wide = splittable(pattern);
    UErrorCode status = U_ZERO_ERROR;
    UParseError where{};
    expressions_.emplace_back(uregex_open(wide.data(), static_cast<std::int32_t>(wide.size()), 0, &where, &status));
    if (U_FAILURE(status))
      fail(ErrorCode::kInput,
           "the split pattern \"{}\" of the tokenizer is not a regular expression: {} at character {}", pattern,
           u_errorName(status), where.offset);
  }
}

class TextSplitter::Borrowed {
 public:
  Borrowed(const TextSplitter& owner, std::u16string_view text) : owner_(owner) {
    {
      const std::lock_guard lock(owner_.idle_mutex_);
      if (!owner_.idle_.empty()) {
        copies_ = std::move(owner_.idle_.back());
        owner_.idle_.pop_back();
      }
    }
    UErrorCode status = U_ZERO_ERROR;
    for (std::size_t i = 0; i < owner_.expressions_.size(); ++i) {
      if (copies_.size() == i) {
        copies_.emplace_back(uregex_clone(owner_.expressions_[i].get(), &status));
        uregex_setTimeLimit(copies_.back().get(), kMatchLimit, &status);
      }
      uregex_setStackLimit(copies_[i].get(), stack_limit(text), &status);
      expect_success(status, "copy a pattern");
      stages_.push_back({copies_[i].get(), &owner_.patterns_[i]});
    }
  }
  ~Borrowed() {
    const std::lock_guard lock(owner_.idle_mutex_);
    owner_.idle_.push_back(std::move(copies_));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  std::span<const Stage> stages() const { return stages_; }

 private:
  const TextSplitter& owner_;
  std::vector<Expression> copies_;
  std::vector<Stage> stages_;
};

void TextSplitter::split(std::string_view text, const std::function<void(std::string_view)>& word) const {
  const std::u16string wide = splittable(text);
  const Borrowed borrowed(*this, wide);
  std::size_t at = 0;
  cut(wide, borrowed.stages(), [&](std::u16string_view part) {
    const std::size_t length = utf8_length(part);
    word(text.substr(at, length));
    at += length;
  });
}

void TextSplitter::find(std::string_view text, const TakePart& take) const {
  enum class Part { kRest, kMatch };
  const std::u16string wide = splittable(text);
  const Borrowed borrowed(*this, wide);
  const Stage& stage = borrowed.stages()[0];
  set_text(stage, wide);
  std::size_t done = 0, begin = 0, at = 0;
  const auto give = [&](std::size_t to, Part part) {
    const std::size_t length = utf8_length(std::u16string_view(wide).substr(done, to - done));
    if (length > 0) take({at, at + length, part == Part::kMatch});
    at += length;
    done = to;
  };
  while (const auto end = next_match(stage, begin)) {
    give(begin, Part::kRest);
    give(*end, Part::kMatch);
  }
  give(wide.size(), Part::kRest);
}

}  // namespace quern
