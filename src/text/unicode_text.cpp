// Over ICU's C interface.
#include "text/unicode_text.h"

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utext.h>

#include <algorithm>
#include <limits>

#include "base/fail.h"
#include "text/utf16.h"

namespace quern {
namespace {

std::uint32_t category(char32_t c) { return U_MASK(u_charType(static_cast<UChar32>(c))); }

bool is_ascii_letter(char32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_ascii_digit(char32_t c) { return c >= '0' && c <= '9'; }

const UNormalizer2* form_of(NormalForm form) {
  using Instance = const UNormalizer2* (*)(UErrorCode*);
  constexpr Instance kInstances[] = {unorm2_getNFCInstance, unorm2_getNFDInstance, unorm2_getNFKCInstance,
                                     unorm2_getNFKDInstance};
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* found = kInstances[static_cast<std::size_t>(form)](&status);
  expect_success(status, "load the tables of a normal form");
  return found;
}

void check_size(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    fail(ErrorCode::kInput, "{} bytes of text are more than a tokenizer can normalise at once", text.size());
}

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace

char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  const char32_t first = byte(0);
  if (first < 0x80) return ++at, first;
  char32_t c = 0;
  if (first < 0xe0) {
    c = (first & 0x1f) << 6 | (byte(1) & 0x3f);
    at += 2;
  } else if (first < 0xf0) {
    c = (first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    at += 3;
  } else {
    c = (first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    at += 4;
  }
  return c;
}

void append_character(std::string& text, char32_t c) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xc0 | c >> 6);
  } else if (c < 0x10000) {
    add(0xe0 | c >> 12);
    add(0x80 | (c >> 6 & 0x3f));
  } else {
    add(0xf0 | c >> 18);
    add(0x80 | (c >> 12 & 0x3f));
    add(0x80 | (c >> 6 & 0x3f));
  }
  add(0x80 | (c & 0x3f));
}

bool is_space(char32_t c) {
  return c < 0x80 ? c == ' ' || (c >= 9 && c <= 13) : u_isUWhiteSpace(static_cast<UChar32>(c)) != 0;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return c > ' ' && c < 0x7f && !is_ascii_letter(c) && !is_ascii_digit(c);
  return (category(c) & U_GC_P_MASK) != 0;
}

bool is_number(char32_t c) { return c < 0x80 ? is_ascii_digit(c) : (category(c) & U_GC_N_MASK) != 0; }

bool is_word_character(char32_t c) {
  if (c < 0x80) return is_ascii_letter(c) || is_ascii_digit(c) || c == '_';
  return (category(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 || u_isUAlphabetic(static_cast<UChar32>(c)) ||
         u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_JOIN_CONTROL);
}

bool is_mark(char32_t c) { return c >= 0x300 && (category(c) & U_GC_M_MASK) != 0; }
bool is_nonspacing_mark(char32_t c) { return c >= 0x300 && (category(c) & U_GC_MN_MASK) != 0; }
bool is_other(char32_t c) { return (category(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0; }

// As BERT's own tokenization.py has them, with the slip of the package tokenizers in the last but two.
bool is_ideograph(char32_t c) {
  if (c < 0x3400) return false;
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void append_lower_case(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  } else if (c == 0x130) {  // the one character that becomes two
    text += "i\u0307";
  } else {
    append_character(text, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
  }
}

std::string normal_form(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  const UNormalizer2* rules = form_of(form);
  check_size(text);
  const std::u16string wide = utf16_of(text);
  const auto length = static_cast<std::int32_t>(wide.size());
  UErrorCode status = U_ZERO_ERROR;
  const bool done = unorm2_isNormalized(rules, wide.data(), length, &status);
  expect_success(status, "check for a normal form");
  if (done) return std::string(text);
  std::u16string normal(wide.size() + wide.size() / 8 + 64, u'\0');
  for (;;) {
    status = U_ZERO_ERROR;
    const std::int32_t size =
        unorm2_normalize(rules, wide.data(), length, normal.data(), static_cast<std::int32_t>(normal.size()), &status);
    if (status != U_BUFFER_OVERFLOW_ERROR) {
      expect_success(status, "bring a text to a normal form");
      return utf8_of(std::u16string_view(normal).substr(0, static_cast<std::size_t>(size)));
    }
    normal.resize(static_cast<std::size_t>(size));  // at most 18 units for one (UAX 15, section 9)
  }
}

Graphemes::Graphemes(std::string_view text) : text_(text) {
  check_size(text);
  UErrorCode status = U_ZERO_ERROR;
  units_ = utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &status);
  breaks_ = ubrk_open(UBRK_CHARACTER, "", nullptr, 0, &status);
  ubrk_setUText(static_cast<UBreakIterator*>(breaks_), static_cast<UText*>(units_), &status);
  if (U_FAILURE(status)) {
    ubrk_close(static_cast<UBreakIterator*>(breaks_));
    utext_close(static_cast<UText*>(units_));
  }
  expect_success(status, "cut a text into characters");
}

Graphemes::~Graphemes() {
  ubrk_close(static_cast<UBreakIterator*>(breaks_));
  utext_close(static_cast<UText*>(units_));
}

std::string_view Graphemes::next() {
  const std::size_t begin = at_;
  if (begin == text_.size()) return {};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text_[i]); };
  // Between two of ASCII lies always an end, but within CR LF.
  const bool plain = byte(begin) < 0x80 && byte(begin) != '\r';
  at_ = plain && (begin + 1 == text_.size() || byte(begin + 1) < 0x80)
            ? begin + 1
            : static_cast<std::size_t>(
                  ubrk_following(static_cast<UBreakIterator*>(breaks_), static_cast<std::int32_t>(begin)));
  return text_.substr(begin, at_ - begin);
}

}  // namespace quern
