// Arbitrary bytes as a list of words: refused, or a tokenizer whose ids of a text are all in its vocabulary.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "quern/error.h"
#include "tokenizer/tokenizer.h"
#include "vocabulary/word_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const quern::Vocabulary vocabulary =
        quern::parse_word_list(std::string_view(reinterpret_cast<const char*>(data), size));
    const quern::Tokenizer tokenizer = quern::Tokenizer::from_vocabulary(vocabulary);
    const std::vector<std::int32_t> ids = tokenizer.encode("The fox \xc3\x84 a\tb.  \n");
    tokenizer.decode(ids);
    if (ids.empty()) std::abort();
  } catch (const quern::Error&) {
  }
  return 0;
}
