// Text to token ids and back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern {

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
