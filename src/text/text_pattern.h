// What a part of a tokenizer.json looks for: {"String": "..."} or {"Regex": "..."}.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/text_splitter.h"

namespace quern {

class TextPattern {
 public:
  // Error(kInput) for another form, or an expression that does not compile.
  explicit TextPattern(const Json& pattern);

  // The whole text in order. REQUIRES: UTF-8.
  void cut(std::string_view text, const TakePart& take) const;

 private:
  std::string literal_;
  std::shared_ptr<const TextSplitter> expression_;  // null: the literal counts
};

}  // namespace quern
