// Characters of a text and what Unicode says of them, as the Python package tokenizers asks for it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern {

// The character at `at`, which moves behind it. REQUIRES: UTF-8, and `at` is where a character begins.
char32_t next_character(std::string_view text, std::size_t& at);
void append_character(std::string& text, char32_t c);

bool is_space(char32_t c);            // White_Space
bool is_punctuation(char32_t c);      // of ASCII's printable ones all but letters and digits; else category P
bool is_number(char32_t c);           // category N
bool is_word_character(char32_t c);   // \w of Unicode's UTS 18, annex C
bool is_mark(char32_t c);             // category M
bool is_nonspacing_mark(char32_t c);  // category Mn
bool is_other(char32_t c);            // categories Cc, Cf and Co
bool is_ideograph(char32_t c);        // the blocks that BERT's tokenizer takes for Chinese

void append_lower_case(std::string& text, char32_t c);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// REQUIRES: UTF-8.
std::string normal_form(std::string_view text, NormalForm form);

// The next character as a reader sees it, with its combining marks (an extended grapheme cluster of UAX 29).
class Graphemes {
 public:
  // REQUIRES: UTF-8 that outlives this.
  explicit Graphemes(std::string_view text);
  ~Graphemes();
  Graphemes(const Graphemes&) = delete;
  Graphemes& operator=(const Graphemes&) = delete;

  // Empty at the end.
  std::string_view next();

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  void* breaks_ = nullptr;
  void* units_ = nullptr;
};

}  // namespace quern
