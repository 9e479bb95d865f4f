// What a vocabulary must keep true before anything is built from it: sentencepiece would read out of bounds, abort or
// print otherwise.
#pragma once

#include "tokenizer/tokenizer.h"

namespace quern {

// Error(kInput) that names the piece: empty, doubled or with a NUL byte, a score that is not finite, a special id
// outside the vocabulary. Of the sentencepiece models also: not exactly one unknown piece, byte pieces that are not all
// of <0x00>..<0xFF>, a broken table of normalisation rules. Of the others also: a piece that is not UTF-8 (merges
// and patterns are checked where they are put to use, in byte_bpe.h and text_splitter.h).
void check_vocabulary(const Vocabulary& vocabulary);

// Error(kInput) when the table of normalisation rules points outside itself. Empty is no table, and fine.
void check_charsmap(std::string_view map);

}  // namespace quern
