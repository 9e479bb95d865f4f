// A vocabulary as data that every container can store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quern {

struct Vocabulary {
  // The first two are sentencepiece's. kWords: each word of the text in lower case, kCharacters: each character, is
  // looked up as it is; what is no piece is the unknown one.
  enum class Model { kBpe, kUnigram, kByteBpe, kWords, kCharacters };
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

// Whether its pieces are whole words or characters.
inline bool is_word_list(const Vocabulary& vocabulary) {
  return vocabulary.model == Vocabulary::Model::kWords || vocabulary.model == Vocabulary::Model::kCharacters;
}

}  // namespace quern
