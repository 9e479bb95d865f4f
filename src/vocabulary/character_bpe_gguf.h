// BPE of characters in GGUF: pieces in plain UTF-8, merges by their order. llama.cpp gives it to its byte-level BPE
// under names of pre-tokenizers of its own.
#pragma once

#include <string_view>

#include "tokenizer/vocabulary.h"

namespace quern {

struct CharacterSplit {
  enum class Spaces { kMarked, kCut };  // become U+2581; or separate words and vanish
  enum class Bos { kAsStated, kAlways };
  enum class Case { kKept, kLowered };

  const char* name;  // tokenizer.ggml.pre
  Spaces spaces;
  Bos bos;
};

// Null when there is none of that name.
const CharacterSplit* find_character_split(std::string_view name);
// The one that adds nothing to a text with marked spaces.
const CharacterSplit& marked_split();

// Whether a part of a tokenizer.json does what llama.cpp does with a text with marked spaces.
bool cuts_at_line_feeds(const Json& pre_tokenizer);

// REQUIRES: a vocabulary as GGUF has it, without a pipeline. Afterwards it is one of kBpe.
void add_character_pipeline(Vocabulary& vocabulary, const CharacterSplit& split, CharacterSplit::Case letters);

}  // namespace quern
