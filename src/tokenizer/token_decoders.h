// The decoder of a tokenizer.json: how tokens become text again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"

namespace quern {

struct TokenDecoder {
  // Rewrites the tokens of a whole text, which are joined afterwards.
  std::function<void(std::vector<std::string>& tokens)> whole;
  // Rewrites one token in the midst of a text that is written token by token.
  std::function<std::string(std::string token)> piece;
};

// Null: tokens with a space between them. Error(kInput) that names a type that is not known. Bytes that are no UTF-8
// are left as they are.
TokenDecoder make_token_decoder(const Json& part);

}  // namespace quern
