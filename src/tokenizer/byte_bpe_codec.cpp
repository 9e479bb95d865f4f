// Byte-level BPE, in the order of the Python package tokenizers: added pieces of the raw text, NFC, added pieces of the
// normalised text, words by the split patterns, merges within each word.
#include "text/text_splitter.h"
#include "text/unicode_text.h"
#include "tokenizer/added_pieces.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/text_codec.h"
#include "tokenizer/vocabulary_check.h"
#include "tokenizer/word_cache.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

class ByteBpeCodec : public TextCodec {
 public:
  explicit ByteBpeCodec(Vocabulary source)
      : TextCodec(std::move(source)),
        bpe_(vocabulary()),
        splitter_(vocabulary().split_patterns),
        added_(vocabulary(), [this](std::string text) { return normalized(std::move(text)); }) {}

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    WordCache cache(bpe_);
    const auto take = [&](std::int32_t id) { ids.push_back(id); };
    const auto words = [&](std::string_view part) {
      const bool prefix = vocabulary().add_space_prefix && !part.starts_with(' ');
      splitter_.split(prefix ? " " + std::string(part) : std::string(part),
                      [&](std::string_view word) { cache.append(word, ids); });
    };
    added_.raw.cut(
        text, [&](std::string_view part) { added_.normalized.cut(normalized(std::string(part)), words, take); }, take);
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (const std::int32_t id : ids) text += decode_piece(id);
    return text;
  }

  std::string decode_piece(std::int32_t id) const override {
    const Vocabulary::Piece& piece = vocabulary().pieces[static_cast<std::size_t>(id)];
    if (piece.type == Type::kControl || piece.type == Type::kUnused) return {};
    if (piece.type == Type::kUserDefined) return piece.text;
    return bytes_of_alphabet(piece.text).value_or(piece.text);
  }

 private:
  std::string normalized(std::string text) const {
    return vocabulary().nfc ? normal_form(text, NormalForm::kNfc) : text;
  }

  ByteBpe bpe_;
  TextSplitter splitter_;
  AddedToTexts added_;
};

}  // namespace

std::shared_ptr<const TextCodec> make_byte_bpe_codec(Vocabulary vocabulary) {
  check_vocabulary(vocabulary);
  return std::make_shared<ByteBpeCodec>(std::move(vocabulary));
}

}  // namespace quern
