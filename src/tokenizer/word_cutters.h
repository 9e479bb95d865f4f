// The pre-tokenizer of a tokenizer.json: how a normalised text becomes words.
#pragma once

#include <functional>
#include <string_view>

#include "base/json.h"

namespace quern {

struct Word {
  std::string_view text;
  bool opens_text = false;  // nothing of the text lies before it
};
using TakeWord = std::function<void(const Word&)>;
// Words in order, none of them empty. They need not be parts of what was cut: characters may be replaced. REQUIRES:
// UTF-8.
using WordCutter = std::function<void(const Word&, const TakeWord&)>;

// Null: the text is one word. Error(kInput) that names a type that is not known, or what is wrong with a part.
WordCutter make_word_cutter(const Json& part);

}  // namespace quern
