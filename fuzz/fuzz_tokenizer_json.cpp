// Arbitrary bytes as a tokenizer.json: refused, or a tokenizer whose ids of a text are all in its vocabulary.
#include <cstddef>
#include <cstdint>

#include "quern/error.h"
#include "vocabulary/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const quern::Vocabulary vocabulary =
        quern::parse_tokenizer_json(std::string_view(reinterpret_cast<const char*>(data), size));
    const quern::Tokenizer tokenizer = quern::Tokenizer::from_vocabulary(vocabulary);
    const std::string text = "ab aab 12\n\n<tool> It's <tok> caf\u00e9 e\u0301\u0302 \u4f60\u2581ab \U0001f600";
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    for (const std::int32_t id : ids) tokenizer.decode_piece(id);
    tokenizer.decode(ids);
    quern::write_tokenizer_json(vocabulary);
  } catch (const quern::Error&) {
  }
  return 0;
}
