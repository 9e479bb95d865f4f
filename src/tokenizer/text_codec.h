// What stands behind a Tokenizer: one implementation a family of vocabularies.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern {

// Immutable once made: safe to use from several threads.
class TextCodec {
 public:
  explicit TextCodec(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  virtual ~TextCodec() = default;

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }
  // REQUIRES: `text` is UTF-8.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  // REQUIRES of both: every id is inside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  virtual std::string decode_piece(std::int32_t id) const = 0;

 private:
  const Vocabulary vocabulary_;
};

// Each throws Error(kInput) when the vocabulary is not one of its family or breaks its rules.
std::shared_ptr<const TextCodec> make_sentencepiece_codec(const Vocabulary& vocabulary);
std::shared_ptr<const TextCodec> make_pipeline_codec(Vocabulary vocabulary);
std::shared_ptr<const TextCodec> make_byte_bpe_codec(Vocabulary vocabulary);
std::shared_ptr<const TextCodec> make_word_list_codec(Vocabulary vocabulary);

}  // namespace quern
