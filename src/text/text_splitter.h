// Cutting text into words, by the regular expressions of a byte-level BPE tokenizer or by white space, and Unicode's
// form NFC.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct URegularExpression;

namespace quern {

// The text in NFC. REQUIRES: UTF-8.
std::string nfc_of(std::string_view text);

// The words between white space, in lower case, both as Unicode and Python's str have them. REQUIRES: UTF-8.
std::vector<std::string> lower_words(std::string_view text);

class TextSplitter {
 public:
  // Patterns in ICU's notation. Error(kInput) with ICU's reason for one that does not compile.
  explicit TextSplitter(const std::vector<std::string>& patterns);

  // Words in order; joined they are the text. The first pattern cuts the text into its matches and what lies between
  // them, each further pattern cuts every such part again and sees nothing outside it. REQUIRES: UTF-8.
  // Error(kInput) when a pattern takes unreasonably long on this text.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;

 private:
  struct Close {
    void operator()(URegularExpression* expression) const;
  };
  using Expression = std::unique_ptr<URegularExpression, Close>;

  std::vector<std::string> patterns_;
  std::vector<Expression> expressions_;
};

}  // namespace quern
