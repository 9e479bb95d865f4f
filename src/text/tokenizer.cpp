// Tokenizer over sentencepiece. Whatever the source, sentencepiece only ever loads a model that was checked and written
// here.
#include "quern/tokenizer.h"

#include <sentencepiece_processor.h>

#include "quern/error.h"
#include "text/sentencepiece_proto.h"
#include "text/utf8.h"
#include "text/vocabulary_check.h"

namespace quern {

struct Tokenizer::State {
  Vocabulary vocabulary;
  sentencepiece::SentencePieceProcessor processor;
};

Tokenizer Tokenizer::from_sentencepiece(std::span<const std::byte> model) {
  return from_vocabulary(parse_sentencepiece_model(model));
}

Tokenizer Tokenizer::from_vocabulary(const Vocabulary& vocabulary) {
  check_vocabulary(vocabulary);
  auto state = std::make_shared<State>();
  state->vocabulary = vocabulary;
  std::string refusal;
  try {
    const auto status = state->processor.LoadFromSerializedProto(serialize_sentencepiece_model(vocabulary));
    if (!status.ok()) refusal = status.ToString();
  } catch (const std::exception& error) {  // its trie builder throws
    refusal = error.what();
  }
  if (!refusal.empty())
    fail(ErrorCode::kInput, "sentencepiece refuses the vocabulary of {} pieces: {}", vocabulary.pieces.size(), refusal);
  return Tokenizer(std::move(state));
}

const Vocabulary& Tokenizer::vocabulary() const noexcept { return state_->vocabulary; }

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  if (const auto at = first_invalid_utf8(text)) {
    fail(ErrorCode::kInput, "the text is not UTF-8: byte 0x{:02x} at position {}",
         static_cast<unsigned char>(text[*at]), *at);
  }
  std::vector<int> ids;
  const auto status = state_->processor.Encode(text, &ids);
  if (!status.ok())
    fail(ErrorCode::kInternal, "sentencepiece cannot encode {} bytes of text: {}", text.size(), status.ToString());
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= state_->vocabulary.pieces.size()) {
      fail(ErrorCode::kInput, "token id {} is outside the vocabulary of {} pieces", id,
           state_->vocabulary.pieces.size());
    }
  }
  std::string text;
  const auto status = state_->processor.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
  if (!status.ok()) fail(ErrorCode::kInternal, "sentencepiece cannot decode {} ids: {}", ids.size(), status.ToString());
  return text;
}

std::string sentencepiece_version() { return QUERN_SENTENCEPIECE_VERSION; }

}  // namespace quern
