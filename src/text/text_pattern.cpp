// A literal is found by search, an expression by ICU.
#include "text/text_pattern.h"

#include "base/fail.h"

namespace quern {

TextPattern::TextPattern(const Json& pattern) {
  if (const Json* literal = pattern.find("String")) {
    literal_ = literal->as_string();
  } else if (const Json* expression = pattern.find("Regex")) {
    expression_ = std::make_shared<const TextSplitter>(std::vector{expression->as_string()});
  } else {
    fail(ErrorCode::kInput, "a pattern is neither a \"String\" nor a \"Regex\"");
  }
}

void TextPattern::cut(std::string_view text, const TakePart& take) const {
  if (expression_) return expression_->find(text, take);
  std::size_t done = 0;
  while (!literal_.empty()) {
    const std::size_t at = text.find(literal_, done);
    if (at == std::string_view::npos) break;
    if (at > done) take({done, at, false});
    done = at + literal_.size();
    take({at, done, true});
  }
  if (done < text.size()) take({done, text.size(), false});
}

}  // namespace quern
