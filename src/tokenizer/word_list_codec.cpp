// Words or characters that are looked up one by one, as Itera-Lite's tokenizers do it.
#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/text_splitter.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/text_codec.h"
#include "tokenizer/vocabulary_check.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

class WordListCodec : public TextCodec {
 public:
  explicit WordListCodec(Vocabulary source)
      : TextCodec(std::move(source)), by_character_(vocabulary().model == Vocabulary::Model::kCharacters) {
    for (std::size_t i = 0; i < vocabulary().pieces.size(); ++i)
      if (const Vocabulary::Piece& piece = vocabulary().pieces[i]; piece.type == Type::kNormal)
        ids_.emplace(piece.text, static_cast<std::int32_t>(i));
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    if (!by_character_) {
      for (const std::string& word : lower_words(text)) ids.push_back(id_of(word));
      return ids;
    }
    for (std::size_t length = 0; !text.empty(); text.remove_prefix(length)) {
      length = first_utf8_part(text).length;
      ids.push_back(id_of(text.substr(0, length)));
    }
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (const std::int32_t id : ids) text += decode_piece(id);
    return by_character_ || text.empty() ? text : text.substr(1);
  }

  // A word with the space before it.
  std::string decode_piece(std::int32_t id) const override {
    const Vocabulary::Piece& piece = vocabulary().pieces[static_cast<std::size_t>(id)];
    if (piece.type == Type::kControl || piece.type == Type::kUnused) return {};
    return by_character_ ? piece.text : " " + piece.text;
  }

 private:
  std::int32_t id_of(std::string_view word) const {
    const auto found = ids_.find(word);
    return found == ids_.end() ? vocabulary().unknown : found->second;
  }

  bool by_character_;
  TextIds ids_;
};

}  // namespace

std::shared_ptr<const TextCodec> make_word_list_codec(Vocabulary vocabulary) {
  check_vocabulary(vocabulary);
  if (vocabulary.unknown < 0) fail(ErrorCode::kInput, "the list has no unknown piece, for what is not in it");
  const auto is_longer = [](const Vocabulary::Piece& piece) {
    return piece.type == Type::kNormal && first_utf8_part(piece.text).length != piece.text.size();
  };
  if (vocabulary.model == Vocabulary::Model::kCharacters)
    if (const auto at = std::ranges::find_if(vocabulary.pieces, is_longer); at != vocabulary.pieces.end())
      fail(ErrorCode::kInput, "\"{}\" is more than one character, in a list of characters", at->text);
  return std::make_shared<WordListCodec>(std::move(vocabulary));
}

}  // namespace quern
