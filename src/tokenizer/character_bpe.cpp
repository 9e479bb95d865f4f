// Byte-pair encoding of characters, as the Python package tokenizers does it: a character that is no piece becomes the
// pieces of its bytes, where the vocabulary has them, or the unknown piece.
#include <string>

#include "base/fail.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_pieces.h"
#include "tokenizer/mark_boundaries.h"
#include "tokenizer/marked_words.h"
#include "tokenizer/merge_table.h"

namespace quern {
namespace {

class CharacterBpe : public MarkedWords {
 public:
  CharacterBpe(const Vocabulary& vocabulary, const ViewIds& ids)
      : MarkedWords(boundaries_of(vocabulary)),
        part_prefix_(vocabulary.pipeline->part_prefix),
        word_suffix_(vocabulary.pipeline->word_suffix),
        fuse_unknown_(vocabulary.pipeline->fuse_unknown),
        ignore_merges_(vocabulary.ignore_merges),
        unknown_(vocabulary.unknown),
        ids_(model_ids(vocabulary)),
        byte_pieces_(vocabulary, ids_),
        merges_(vocabulary, ids, part_prefix_) {}

 private:
  static Boundaries boundaries_of(const Vocabulary& vocabulary) {
    const auto& pipeline = *vocabulary.pipeline;
    const bool is_plain = !vocabulary.ignore_merges && pipeline.part_prefix.empty() && pipeline.word_suffix.empty();
    return is_plain && ends_at_marks(vocabulary) ? Boundaries::kMarks : Boundaries::kNone;
  }

  void encode_part(std::string_view word, std::vector<std::int32_t>& ids) const override {
    if (ignore_merges_)
      if (const auto whole = ids_.find(word); whole != ids_.end()) return ids.push_back(whole->second);
    std::vector<std::int32_t> symbols = symbols_of(word);
    merges_.apply(symbols, ids);
  }

  std::vector<std::int32_t> symbols_of(std::string_view word) const {
    std::vector<std::int32_t> symbols;
    symbols.reserve(word.size());
    bool after_unknown = false;
    std::string text;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t begin = at;
      next_character(word, at);
      const std::string_view character = word.substr(begin, at - begin);
      text.assign(begin > 0 ? part_prefix_ : std::string_view()).append(character);
      if (at == word.size()) text += word_suffix_;
      if (const auto found = ids_.find(text); found != ids_.end()) {
        symbols.push_back(found->second);
        after_unknown = false;
      } else if (!byte_pieces_.append(text, symbols) && unknown_ >= 0) {
        if (!(after_unknown && fuse_unknown_)) symbols.push_back(unknown_);
        after_unknown = true;
      }
    }
    return symbols;
  }

  const std::string part_prefix_, word_suffix_;
  const bool fuse_unknown_, ignore_merges_;
  const std::int32_t unknown_;
  TextIds ids_;
  BytePieces byte_pieces_;
  MergeTable merges_;
};

}  // namespace

std::unique_ptr<const WordModel> make_character_bpe(const Vocabulary& vocabulary) {
  ViewIds ids;
  ids.reserve(vocabulary.pieces.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    ids.emplace(vocabulary.pieces[i].text, static_cast<std::int32_t>(i));
  return std::make_unique<CharacterBpe>(vocabulary, ids);
}

}  // namespace quern
