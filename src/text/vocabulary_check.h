// What a vocabulary must keep true before sentencepiece sees it, which would read out of bounds, abort or print
// otherwise.
#pragma once

#include "quern/tokenizer.h"

namespace quern {

// Error(kInput) that names the piece: empty, doubled or with a NUL byte, a score that is not finite, not exactly one
// unknown piece, byte pieces that are not all of <0x00>..<0xFF>, a special id outside the vocabulary, a broken table of
// normalisation rules.
void check_vocabulary(const Vocabulary& vocabulary);

}  // namespace quern
