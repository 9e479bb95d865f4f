// How BERT takes a text apart.
#pragma once

#include "tokenizer/vocabulary.h"

namespace quern {

struct BertOptions {
  bool lowercase = true, strip_accents = true;
  bool parts_ideographs = true;  // each is a word
};

// Cleans a text, and cuts it at white space and punctuation; pieces inside words begin with "##".
Vocabulary::Pipeline bert_pipeline(const BertOptions& options);

}  // namespace quern
