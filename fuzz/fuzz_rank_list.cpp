// Arbitrary bytes as a list of tiktoken: refused, or a tokenizer whose ids of a text are all in its vocabulary.
#include <cstddef>
#include <cstdint>

#include "quern/error.h"
#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/tokenizer.h"
#include "vocabulary/rank_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const quern::Tokenizer tokenizer =
        quern::Tokenizer::from_vocabulary(quern::parse_rank_list(bytes, &quern::pre_tokenizers()[0]));
    const std::string text = "ab !\"! 12\n\n It's";
    for (const std::int32_t id : tokenizer.encode(text)) tokenizer.decode_piece(id);
  } catch (const quern::Error&) {
  }
  return 0;
}
