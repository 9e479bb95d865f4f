// Cutting text into words, by the regular expressions of a tokenizer or by white space.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

struct URegularExpression;

namespace quern {

// The words between white space, in lower case, both as Unicode and Python's str have them. REQUIRES: UTF-8.
std::vector<std::string> lower_words(std::string_view text);

// A piece of a text: what was looked for, or what lies between. Not empty.
struct TextPart {
  std::size_t begin = 0, end = 0;
  bool is_match = false;
};
using TakePart = std::function<void(TextPart)>;

class TextSplitter {
 public:
  // Patterns in ICU's notation. Error(kInput) with ICU's reason for one that does not compile.
  explicit TextSplitter(const std::vector<std::string>& patterns);

  // Words in order; joined they are the text. The first pattern cuts the text into its matches and what lies between
  // them, each further pattern cuts every such part again and sees nothing outside it. REQUIRES: UTF-8.
  // Error(kInput) when a pattern takes unreasonably long on this text.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;

  // The same by the first pattern alone, telling matches from what lies between them.
  void find(std::string_view text, const TakePart& take) const;

 private:
  struct Close {
    void operator()(URegularExpression* expression) const;
  };
  using Expression = std::unique_ptr<URegularExpression, Close>;

  // Copies that a call works with; given back, since a copy costs as much as splitting a line.
  class Borrowed;

  std::vector<std::string> patterns_;
  std::vector<Expression> expressions_;
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::vector<Expression>> idle_;
};

}  // namespace quern
