// vocab.txt: the pieces of a BERT that has no tokenizer.json.
#pragma once

#include <string_view>

#include "base/json.h"
#include "tokenizer/vocabulary.h"

namespace quern {

// The longest list of pieces that is read. The longest known, of LaBSE, has 5 MB; of short lines 64 MB would take 2.4
// GB.
inline constexpr std::size_t kLongestPieceList = std::size_t{16} << 20;

// A piece a line, whose number from 0 is its id; of a text that is there twice the last counts, and an id without a
// text becomes an unused piece. `config` is tokenizer_config.json, or an empty object: do_lower_case, strip_accents,
// tokenize_chinese_chars, and the texts of the special tokens. Error(kInput) for a tokenizer_class that takes texts
// apart in another way, a list without the unknown token, [CLS] or [SEP], one that is not UTF-8, one of more than
// kLongestPieceList bytes, and one with more than 65536 lines that are empty or there again.
Vocabulary parse_word_piece_list(std::string_view lines, const Json& config);

}  // namespace quern
