// Vocabularies of a tokenizer.json in the form that GGUF has for them.
#pragma once

#include "tokenizer/vocabulary.h"

namespace quern {

// The same tokenizer without a pipeline, as llama.cpp's "llama" (BPE with byte fallback) and "t5" (Unigram) know it; of
// WordPiece ("bert") the pipeline stays. Error(kInput) that names what GGUF cannot express. Ids of texts are the same,
// but where an added piece is recognised, and that GGUF never normalises to Unicode's forms. REQUIRES: a pipeline.
Vocabulary gguf_form(const Vocabulary& vocabulary);

// The pipeline of a "bert" vocabulary. REQUIRES of llama.cpp's form: the pieces inside words have no prefix, the others
// U+2581; afterwards the former have "##" and the others none.
struct BertOptions {
  bool lowercase = true, strip_accents = true;
};
void add_bert_pipeline(Vocabulary& vocabulary, const BertOptions& options);

// What GGUF writes for a piece of WordPiece.
std::string bert_text(const Vocabulary::Piece& piece);
BertOptions bert_options(const Vocabulary& vocabulary);

}  // namespace quern
