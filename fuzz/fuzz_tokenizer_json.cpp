// Arbitrary bytes as a tokenizer.json: refused, or a tokenizer whose ids of a text are all in its vocabulary.
#include <cstddef>
#include <cstdint>

#include "quern/error.h"
#include "text/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const quern::Vocabulary vocabulary =
        quern::parse_tokenizer_json(std::string_view(reinterpret_cast<const char*>(data), size));
    const quern::Tokenizer tokenizer = quern::Tokenizer::from_vocabulary(vocabulary);
    const std::string text = "ab aab 12\n\n<tool> It's";
    for (const std::int32_t id : tokenizer.encode(text)) tokenizer.decode_piece(id);
  } catch (const quern::Error&) {
  }
  return 0;
}
