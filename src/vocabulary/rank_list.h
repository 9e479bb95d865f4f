// The lists of byte strings and ranks of the Python package tiktoken.
#pragma once

#include <string_view>

#include "tokenizer/vocabulary.h"

namespace quern {

struct PreTokenizer;

// Whether a file is one by its first line: base64, a space, a number.
bool is_rank_list(std::string_view bytes);

// A byte-level BPE: neighbours join by the rank of what they become. The file does not say how a text is split:
// `split` does or, where it is null, the number of ranks, by which published lists are known; their special tokens are
// added with them. Error(kInput) with the line for anything else.
Vocabulary parse_rank_list(std::string_view bytes, const PreTokenizer* split);

}  // namespace quern
