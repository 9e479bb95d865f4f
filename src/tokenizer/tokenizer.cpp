// Tokenizer: checks what goes in, and hands over to the family of the vocabulary.
#include "tokenizer/tokenizer.h"

#include "base/fail.h"
#include "base/utf8.h"
#include "tokenizer/text_codec.h"

namespace quern {
namespace {

void check_id(std::int32_t id, const Vocabulary& vocabulary) {
  if (id < 0 || static_cast<std::size_t>(id) >= vocabulary.pieces.size())
    fail(ErrorCode::kInput, "token id {} is outside the vocabulary of {} pieces", id, vocabulary.pieces.size());
}

}  // namespace

Tokenizer Tokenizer::from_vocabulary(Vocabulary vocabulary) {
  if (vocabulary.pipeline) return Tokenizer(make_pipeline_codec(std::move(vocabulary)));
  if (vocabulary.model == Vocabulary::Model::kByteBpe) return Tokenizer(make_byte_bpe_codec(std::move(vocabulary)));
  if (is_word_list(vocabulary)) return Tokenizer(make_word_list_codec(std::move(vocabulary)));
  return Tokenizer(make_sentencepiece_codec(vocabulary));
}

const Vocabulary& Tokenizer::vocabulary() const noexcept { return codec_->vocabulary(); }

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  if (const auto at = first_invalid_utf8(text)) {
    fail(ErrorCode::kInput, "the text is not UTF-8: byte 0x{:02x} at position {}",
         static_cast<unsigned char>(text[*at]), *at);
  }
  return codec_->encode(text);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  for (const std::int32_t id : ids) check_id(id, vocabulary());
  return codec_->decode(ids);
}

std::string Tokenizer::decode_piece(std::int32_t id) const {
  check_id(id, vocabulary());
  return codec_->decode_piece(id);
}

}  // namespace quern
