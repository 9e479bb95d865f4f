// Vocabularies of a tokenizer.json in the form that GGUF has for them.
#pragma once

#include "tokenizer/vocabulary.h"
#include "vocabulary/bert_pipeline.h"

namespace quern {

// The same tokenizer without a pipeline, as llama.cpp's "llama" (BPE with byte fallback) and "t5" (Unigram) know it.
// The pipeline stays of WordPiece ("bert"), and of BPE whose merges are not all those of its pieces, which becomes
// kByteBpe ("gpt2", vocabulary/character_bpe_gguf.h). Error(kInput) that names what GGUF cannot express. Ids of texts
// are the same, but where an added piece is recognised, and that GGUF never normalises to Unicode's forms. REQUIRES: a
// pipeline.
Vocabulary gguf_form(const Vocabulary& vocabulary);

// The pipeline of a "bert" vocabulary. REQUIRES of llama.cpp's form: the pieces inside words have no prefix, the others
// U+2581; afterwards the former have "##" and the others none.
void add_bert_pipeline(Vocabulary& vocabulary, const BertOptions& options);

// What GGUF writes for a piece of WordPiece.
std::string bert_text(const Vocabulary::Piece& piece);
BertOptions bert_options(const Vocabulary& vocabulary);

}  // namespace quern
