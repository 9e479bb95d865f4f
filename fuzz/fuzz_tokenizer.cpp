// Arbitrary bytes as a tokenizer.model: the reader refuses them or gives a vocabulary that is written and read back;
// the checks run on whatever it gives. sentencepiece itself is left out.
#include <cstddef>
#include <cstdint>

#include "quern/error.h"
#include "tokenizer/sentencepiece_proto.h"
#include "tokenizer/vocabulary_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const quern::Vocabulary vocabulary = quern::parse_sentencepiece_model(std::as_bytes(std::span(data, size)));
    const std::string again = quern::serialize_sentencepiece_model(vocabulary);
    if (quern::parse_sentencepiece_model(std::as_bytes(std::span(again))).pieces.size() != vocabulary.pieces.size())
      __builtin_trap();
    quern::check_vocabulary(vocabulary);
  } catch (const quern::Error&) {
  }
  return 0;
}
