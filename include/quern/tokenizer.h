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
  enum class Model { kBpe, kUnigram };
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
  };

  Model model = Model::kBpe;
  std::vector<Piece> pieces;
  std::int32_t bos = -1, eos = -1, unknown = -1, pad = -1;  // -1: none
  bool add_bos = true, add_eos = false;
  bool add_space_prefix = true, remove_extra_whitespaces = false, escape_whitespaces = true;
  std::string precompiled_charsmap;  // sentencepiece's normalisation table; empty: identity
};

// Of the library behind Tokenizer, "0.1.97".
std::string sentencepiece_version();

class Tokenizer {
 public:
  // The bytes of a sentencepiece tokenizer.model. Error(kInput) when sentencepiece does not accept them.
  static Tokenizer from_sentencepiece(std::span<const std::byte> model);
  // Rebuilds a sentencepiece model from a vocabulary (as a GGUF file stores it).
  static Tokenizer from_vocabulary(const Vocabulary& vocabulary);

  const Vocabulary& vocabulary() const noexcept;
  // Ids of the text alone, without BOS or EOS. Error(kInput) with the byte position when the text is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text) const;
  std::string decode(std::span<const std::int32_t> ids) const;

 private:
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace quern
