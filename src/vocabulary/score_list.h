// The tokenizer.bin of llama2.c: the pieces of a sentencepiece BPE and their scores.
#pragma once

#include "base/bytes.h"
#include "tokenizer/vocabulary.h"

namespace quern {

// Ids 0, 1 and 2 are the unknown piece, BOS and EOS, as llama2.c takes for granted; "<0x0A>" is a byte. Error(kInput)
// with the position when the bytes are no such list.
Vocabulary parse_score_list(ByteSpan bytes);

}  // namespace quern
