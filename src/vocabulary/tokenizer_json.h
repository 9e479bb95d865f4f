// Vocabularies from the files of the Python packages tokenizers and transformers.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// A tokenizer.json. Error(kInput) that names the part when it contradicts itself or cannot be followed; the types of
// its normalizer, pre-tokenizer and decoder are looked at when a tokenizer is made of it. BOS and EOS are set where the
// post-processor adds them.
Vocabulary parse_tokenizer_json(std::string_view text);

// A tokenizer.json that reads back as the same vocabulary, but for unused pieces: ids without a piece. REQUIRES: a
// pipeline, or byte-level BPE.
std::string write_tokenizer_json(const Vocabulary& vocabulary);

// A vocab.json and a merges.txt, split as `split` says.
Vocabulary parse_vocabulary_files(std::string_view vocab_json, std::string_view merges_txt, const PreTokenizer& split);

}  // namespace quern
