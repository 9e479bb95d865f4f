// Text to token ids and back, and the vocabulary as data that every container can store.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct Vocabulary {
  enum class Model { kBpe, kUnigram, kByteBpe };  // the first two are sentencepiece's
  // NOTE: the numbers of sentencepiece's ModelProto and of GGUF's tokenizer.ggml.token_type.
  enum class PieceType : std::int32_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
    bool in_normalized = false;  // kByteBpe, an added piece: looked for in the normalised text, after the others
  };
  // Two pieces that become the piece of their joined text.
  struct Merge {
    std::int32_t left = 0, right = 0;
    bool operator==(const Merge&) const = default;
  };

  Model model = Model::kBpe;
  std::vector<Piece> pieces;
  std::int32_t bos = -1, eos = -1, unknown = -1, pad = -1;  // -1: none
  bool add_bos = true, add_eos = false;
  bool add_space_prefix = true, remove_extra_whitespaces = false, escape_whitespaces = true;
  std::string precompiled_charsmap;  // sentencepiece's normalisation table; empty: identity

  // Of kByteBpe alone. Its normal pieces are written in GPT-2's alphabet, a character a byte (text/byte_alphabet.h);
  // added pieces (kControl, kUserDefined) are plain text and are found before the text is split.
  std::vector<Merge> merges;                // best first
  std::vector<std::string> split_patterns;  // regular expressions; each cuts what the one before it left
  bool ignore_merges = false;               // a word that is a piece is taken whole
  bool nfc = false;                         // the text is brought to Unicode's form NFC first
};

// Of the library behind the sentencepiece models, "0.1.97".
std::string sentencepiece_version();

class TextCodec;

class Tokenizer {
 public:
  // From a vocabulary as data, of any model. Error(kInput) that names the piece, merge or pattern that is wrong.
  static Tokenizer from_vocabulary(Vocabulary vocabulary);

  const Vocabulary& vocabulary() const noexcept;
  // Ids of the text alone, without BOS or EOS. Error(kInput) with the byte position when the text is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text) const;
  // The text of whole sequences; control pieces give nothing.
  std::string decode(std::span<const std::int32_t> ids) const;
  // The bytes that one id adds to a text that is being written piece by piece; possibly part of a character. Empty for
  // control pieces.
  std::string decode_piece(std::int32_t id) const;

 private:
  explicit Tokenizer(std::shared_ptr<const TextCodec> codec) : codec_(std::move(codec)) {}
  std::shared_ptr<const TextCodec> codec_;
};

}  // namespace quern
