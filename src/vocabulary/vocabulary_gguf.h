// A vocabulary as the tokenizer.ggml.* pairs of GGUF metadata.
#pragma once

#include "checkpoint/metadata.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// Sets the pairs as llama.cpp reads them. Error(kInput) when the vocabulary has a property that they cannot express.
void add_vocabulary(Metadata& metadata, const Vocabulary& vocabulary);

// Error(kInput) when the pairs are absent, contradict each other, or describe a tokenizer other than "llama", "t5",
// "bert", "gemma4" and "gpt2" with a known pre-tokenizer.
// What is absent takes llama.cpp's default for the model.
Vocabulary vocabulary_of(const Metadata& metadata);

}  // namespace quern
