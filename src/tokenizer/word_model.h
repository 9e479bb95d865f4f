// From a word to the ids of its pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern {

// Immutable once made: safe to use from several threads.
class WordModel {
 public:
  virtual ~WordModel() = default;
  // Appends the ids of a word. REQUIRES: UTF-8, not empty.
  virtual void encode(std::string_view word, std::vector<std::int32_t>& ids) const = 0;
};

// Each takes a vocabulary with a pipeline, which it keeps no reference to. Error(kInput) for one that contradicts
// itself.
std::unique_ptr<const WordModel> make_character_bpe(const Vocabulary& vocabulary);
std::unique_ptr<const WordModel> make_unigram(const Vocabulary& vocabulary);
std::unique_ptr<const WordModel> make_word_piece(const Vocabulary& vocabulary);
std::unique_ptr<const WordModel> make_word_level(const Vocabulary& vocabulary);

}  // namespace quern
