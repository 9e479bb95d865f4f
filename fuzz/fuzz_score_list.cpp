// Arbitrary bytes as llama2.c's tokenizer.bin: refused, or a vocabulary that the checks run on. sentencepiece itself is
// left out.
#include <cstddef>
#include <cstdint>

#include "quern/error.h"
#include "tokenizer/vocabulary_check.h"
#include "vocabulary/score_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    quern::check_vocabulary(quern::parse_score_list(std::as_bytes(std::span(data, size))));
  } catch (const quern::Error&) {
  }
  return 0;
}
