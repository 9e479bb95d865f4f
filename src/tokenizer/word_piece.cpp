// BERT's WordPiece: the longest piece that a word begins with, then the longest of what is left, and so on; pieces
// inside a word have a prefix. And whole words, where a vocabulary has nothing else.
#include <string>

#include "base/fail.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/word_model.h"

namespace quern {
namespace {

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

class WordPiece : public WordModel {
 public:
  explicit WordPiece(const Vocabulary& vocabulary)
      : part_prefix_(vocabulary.pipeline->part_prefix),
        longest_word_(vocabulary.pipeline->longest_word),
        unknown_(vocabulary.unknown),
        ids_(model_ids(vocabulary)) {
    for (const Vocabulary::Piece& piece : vocabulary.pieces)
      longest_piece_ = std::max(longest_piece_, piece.text.size());
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::size_t before = ids.size();
    bool is_known = character_count(word) <= longest_word_;
    for (std::size_t begin = 0; is_known && begin < word.size();) {
      const std::size_t length = add_longest(word, begin, ids);
      is_known = length > 0;
      begin += length;
    }
    if (is_known) return;
    ids.resize(before);
    ids.push_back(unknown_);
  }

 private:
  // Its length, 0 where there is none.
  std::size_t add_longest(std::string_view word, std::size_t begin, std::vector<std::int32_t>& ids) const {
    std::string text(begin > 0 ? part_prefix_ : "");
    const std::size_t prefix = text.size();
    text += word.substr(begin, longest_piece_);
    for (; text.size() > prefix; text.pop_back()) {
      const auto found = ids_.find(text);
      if (found == ids_.end()) continue;
      ids.push_back(found->second);
      return text.size() - prefix;
    }
    return 0;
  }

  const std::string part_prefix_;
  const std::size_t longest_word_;  // characters
  const std::int32_t unknown_;
  const TextIds ids_;
  std::size_t longest_piece_ = 0;
};

class WordLevel : public WordModel {
 public:
  explicit WordLevel(const Vocabulary& vocabulary) : unknown_(vocabulary.unknown), ids_(model_ids(vocabulary)) {}

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const auto found = ids_.find(word);
    ids.push_back(found == ids_.end() ? unknown_ : found->second);
  }

 private:
  const std::int32_t unknown_;
  const TextIds ids_;
};

void check_unknown(const Vocabulary& vocabulary) {
  if (vocabulary.unknown < 0) fail(ErrorCode::kInput, "the vocabulary of words has no unknown piece");
}

}  // namespace

std::unique_ptr<const WordModel> make_word_piece(const Vocabulary& vocabulary) {
  check_unknown(vocabulary);
  return std::make_unique<WordPiece>(vocabulary);
}

std::unique_ptr<const WordModel> make_word_level(const Vocabulary& vocabulary) {
  check_unknown(vocabulary);
  return std::make_unique<WordLevel>(vocabulary);
}

}  // namespace quern
