// The special tokens of a vocabulary under the names of a Hugging Face folder.
#pragma once

#include "tokenizer/vocabulary.h"

namespace quern {

struct SpecialToken {
  const char* text_key;  // in tokenizer_config.json: a text, or an object with "content"
  const char* id_key;    // in config.json: an id, or a list of ids of which the first inside the vocabulary counts
  std::int32_t Vocabulary::* id;
  // What a text outside the vocabulary means. Padding is no part of a text, and often names what was never added.
  enum class Unknown { kRefused, kNone } unknown = Unknown::kRefused;
};
inline constexpr SpecialToken kSpecialTokens[] = {
    {"bos_token", "bos_token_id", &Vocabulary::bos},
    {"eos_token", "eos_token_id", &Vocabulary::eos},
    {"pad_token", "pad_token_id", &Vocabulary::pad, SpecialToken::Unknown::kNone},
};

}  // namespace quern
