// BERT's WordPiece: the longest piece that a word begins with, then the longest of what is left, and so on; pieces
// inside a word have a prefix. And whole words, where a vocabulary has nothing else.
#include <string>

#include "base/fail.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/piece_trie.h"
#include "tokenizer/word_model.h"

namespace quern {
namespace {

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

// Each step goes as far as pieces go: a word costs its bytes times those of the longest piece at most, however long the
// file lets words be.
class WordPiece : public WordModel {
 public:
  explicit WordPiece(const Vocabulary& vocabulary)
      : longest_word_(vocabulary.pipeline->longest_word),
        unknown_(vocabulary.unknown),
        beginnings_(vocabulary.pieces),
        insides_(vocabulary.pieces, vocabulary.pipeline->part_prefix) {}

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::size_t before = ids.size();
    bool is_known = character_count(word) <= longest_word_;
    for (std::size_t begin = 0; is_known && begin < word.size();) {
      const Found found = longest(begin > 0 ? insides_ : beginnings_, word.substr(begin));
      is_known = found.length > 0;
      ids.push_back(found.id);
      begin += found.length;
    }
    if (is_known) return;
    ids.resize(before);
    ids.push_back(unknown_);
  }

 private:
  struct Found {
    std::int32_t id = -1;
    std::size_t length = 0;  // bytes of the word; 0: there is no piece
  };

  static Found longest(const PieceTrie& pieces, std::string_view text) {
    Found found;
    pieces.prefixes(text, [&](std::int32_t id, std::size_t length) { found = {id, length}; });
    return found;
  }

  const std::size_t longest_word_;  // characters
  const std::int32_t unknown_;
  const PieceTrie beginnings_, insides_;
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
