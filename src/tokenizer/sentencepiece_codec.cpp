// The sentencepiece family. Whatever the source, sentencepiece only ever loads a model that was checked and written
// here.
#include <sentencepiece_processor.h>

#include <charconv>

#include "base/fail.h"
#include "tokenizer/mark_boundaries.h"
#include "tokenizer/sentencepiece_proto.h"
#include "tokenizer/text_codec.h"
#include "tokenizer/vocabulary_check.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

constexpr std::string_view kUnknownSurface = " \xe2\x81\x87 ";       // what sentencepiece writes for an unknown piece
constexpr std::size_t kByteDigits = std::string_view("<0x").size();  // position of the digits in "<0x0A>"

std::string spaces_restored(std::string text) {
  for (std::size_t at = 0; (at = text.find(kSpaceMark, at)) != std::string::npos; ++at)
    text.replace(at, kSpaceMark.size(), " ");
  return text;
}

class SentencepieceCodec : public TextCodec {
 public:
  explicit SentencepieceCodec(const Vocabulary& vocabulary) : TextCodec(vocabulary) {
    std::string refusal;
    try {
      const auto status = processor_.LoadFromSerializedProto(serialize_sentencepiece_model(vocabulary));
      if (!status.ok()) refusal = status.ToString();
    } catch (const std::exception& error) {  // its trie builder throws
      refusal = error.what();
    }
    if (!refusal.empty())
      fail(ErrorCode::kInput, "sentencepiece refuses the vocabulary of {} pieces: {}", vocabulary.pieces.size(),
           refusal);
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    const auto status = processor_.Encode(text, &ids);
    if (!status.ok())
      fail(ErrorCode::kInternal, "sentencepiece cannot encode {} bytes of text: {}", text.size(), status.ToString());
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    const auto status = processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    if (!status.ok())
      fail(ErrorCode::kInternal, "sentencepiece cannot decode {} ids: {}", ids.size(), status.ToString());
    return text;
  }

  std::string decode_piece(std::int32_t id) const override {
    const Vocabulary::Piece& piece = vocabulary().pieces[static_cast<std::size_t>(id)];
    if (piece.type == Type::kControl) return {};
    if (piece.type == Type::kUnknown) return std::string(kUnknownSurface);
    if (piece.type == Type::kByte) {
      unsigned char byte = 0;
      std::from_chars(piece.text.data() + kByteDigits, piece.text.data() + kByteDigits + 2, byte, 16);
      return std::string(1, static_cast<char>(byte));
    }
    return vocabulary().escape_whitespaces ? spaces_restored(piece.text) : piece.text;
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::shared_ptr<const TextCodec> make_sentencepiece_codec(const Vocabulary& vocabulary) {
  check_vocabulary(vocabulary);
  return std::make_shared<SentencepieceCodec>(vocabulary);
}

std::string sentencepiece_version() { return QUERN_SENTENCEPIECE_VERSION; }

}  // namespace quern
