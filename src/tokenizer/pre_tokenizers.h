// The ways of splitting text that byte-level BPE vocabularies are known by.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace quern {

// How GPT-2 splits; also what the ByteLevel part of a tokenizer.json does by itself.
extern const char* const kGpt2Split;
inline constexpr const char* kEveryDigit = "\\p{N}";

struct PreTokenizer {
  const char* name;             // tokenizer.ggml.pre of GGUF
  const char* patterns[6];      // as tokenizer.json has them; null: none
  bool nfc;                     // of the tokenizers that go by this name; llama.cpp itself never normalises
  bool ignore_merges;           // llama.cpp's rule for the name
  bool add_bos;                 // llama.cpp's default where a file does not say
  const char* tokenizer_class;  // of transformers, for a vocab.json without tokenizer.json; null: none

  std::vector<std::string> split_patterns() const;
};

std::span<const PreTokenizer> pre_tokenizers();
// Null when there is none of that name.
const PreTokenizer* find_pre_tokenizer(std::string_view name);
// By the patterns and ignore_merges, and by NFC where two rows differ in nothing else; null when there is none.
const PreTokenizer* pre_tokenizer_of(const Vocabulary& vocabulary);
// By the class of transformers, with or without "Fast"; null when there is none.
const PreTokenizer* pre_tokenizer_of_class(std::string_view tokenizer_class);

}  // namespace quern
