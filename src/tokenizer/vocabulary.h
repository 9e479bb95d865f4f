// A vocabulary as data that every container can store.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace quern {

struct Vocabulary {
  // The first two are sentencepiece's. kWords: each word of the text in lower case, kCharacters: each character, is
  // looked up as it is; what is no piece is the unknown one. The last two are known by a tokenizer.json alone:
  // kWordPiece is BERT's, kWordLevel has whole words.
  enum class Model { kBpe, kUnigram, kByteBpe, kWords, kCharacters, kWordPiece, kWordLevel };
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
    // Of pieces that are added to a tokenizer.json:
    bool in_normalized = false;                      // looked for in the normalised text, after the others
    bool strips_left = false, strips_right = false;  // takes the white space beside it
    bool whole_word = false;                         // counts only where no word goes on beside it
    bool is_added = false;                           // of the unknown piece: looked for like the others
    bool in_model = true;                            // else it is found in a text as added piece alone
  };
  // Two pieces that become the piece of their joined text.
  struct Merge {
    std::int32_t left = 0, right = 0;
    bool operator==(const Merge&) const = default;
  };

  // How a text is taken apart where the fields below do not say it. The first three are parts of a tokenizer.json, null
  // where it has none.
  struct Pipeline {
    Json normalizer, pre_tokenizer, decoder;
    bool byte_fallback = false;           // a character that is no piece becomes "<0xE2>" and so on
    bool fuse_unknown = false;            // unknown characters side by side are one unknown piece
    std::string part_prefix;              // of pieces inside a word, "##"
    std::string word_suffix;              // of pieces that end a word, "</w>"
    std::size_t longest_word = SIZE_MAX;  // characters; a longer one is unknown (kWordPiece)
    std::vector<double> scores;           // kUnigram, to their last bit; 0 for pieces behind them
  };

  // REQUIRES: an id of a piece.
  const std::string& text_of(std::int32_t id) const { return pieces[static_cast<std::size_t>(id)].text; }

  Model model = Model::kBpe;
  std::vector<Piece> pieces;
  std::int32_t bos = -1, eos = -1, unknown = -1, pad = -1;  // -1: none
  bool add_bos = true, add_eos = false;
  // Where a template puts other ids than BOS before a text, or others than EOS behind it: all of that side.
  std::vector<std::int32_t> before_text, behind_text;
  bool add_space_prefix = true, remove_extra_whitespaces = false, escape_whitespaces = true;
  std::string precompiled_charsmap;  // sentencepiece's normalisation table; empty: identity

  // Of kByteBpe alone. Its normal pieces are written in GPT-2's alphabet, a character a byte
  // (tokenizer/byte_alphabet.h); added pieces (kControl, kUserDefined) are plain text and are found before the text is
  // split.
  std::vector<Merge> merges;                // best first
  std::vector<std::string> split_patterns;  // regular expressions; each cuts what the one before it left
  bool ignore_merges = false;               // a word that is a piece is taken whole
  bool nfc = false;                         // the text is brought to Unicode's form NFC first

  std::shared_ptr<const Pipeline> pipeline;  // null: what is above says it all
};

// What is added to a text, on either side; `add_bos` and `add_eos` say whether.
std::vector<std::int32_t> ids_before_text(const Vocabulary& vocabulary);
std::vector<std::int32_t> ids_behind_text(const Vocabulary& vocabulary);

// Whether its pieces are whole words or characters.
inline bool is_word_list(const Vocabulary& vocabulary) {
  return vocabulary.model == Vocabulary::Model::kWords || vocabulary.model == Vocabulary::Model::kCharacters;
}

}  // namespace quern
