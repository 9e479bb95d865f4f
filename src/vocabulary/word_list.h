// The lists of words or characters that Itera-Lite's programs wrote.
#pragma once

#include <string_view>

#include "tokenizer/vocabulary.h"

namespace quern {

// A JSON object of "token2id" or "token_to_id" (text -> id), "vocab_size", and, where it has them, "level" ("char" or
// "word"; absent: words) and the list the other way, "id2token" or "id_to_token". Ids below vocab_size without a text
// become unused pieces. Error(kInput) that names the key for anything else, a list without "<UNK>", and two lists that
// contradict each other.
Vocabulary parse_word_list(std::string_view json);

}  // namespace quern
