// Arbitrary bytes as the files beside weights that make a tokenizer together: the configuration, then a line "--", then
// vocab.txt, or vocab.json and, after another such line, merges.txt. Refused, or a tokenizer whose ids of a text are
// all in its vocabulary.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/python_json.h"
#include "quern/error.h"
#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/tokenizer.h"
#include "vocabulary/added_tokens.h"
#include "vocabulary/tokenizer_json.h"
#include "vocabulary/word_piece_list.h"

using namespace quern;

namespace {

constexpr std::string_view kMark = "\n--\n";

// Takes what stands before the next mark.
std::string_view take_file(std::string_view& rest) {
  const std::size_t end = rest.find(kMark);
  const std::string_view file = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + kMark.size());
  return file;
}

void encode(const Json& config, const std::function<Vocabulary()>& read) try {
  Vocabulary vocabulary = read();
  if (const Json* decoder = config.find("added_tokens_decoder")) add_added_tokens_decoder(vocabulary, *decoder);
  if (const Json* added = config.find("added_tokens")) add_added_tokens(vocabulary, *added);
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary));
  const std::string text = "ab [SEP] It's <tok> caf\u00e9 e\u0301 \u4f60\n\n \U0001f600 12";
  for (const std::int32_t id : tokenizer.encode(text)) tokenizer.decode_piece(id);
} catch (const Error& error) {
  if (error.code() != ErrorCode::kInput) throw;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Json config;
  try {
    config = parse_python_json(take_file(rest));
    config.as_object();
  } catch (const Error&) {
    return 0;
  }
  const std::string_view vocabulary = take_file(rest);
  encode(config, [&] { return parse_word_piece_list(vocabulary, config); });
  encode(config, [&] { return parse_vocabulary_files(vocabulary, rest, pre_tokenizers()[0]); });
  return 0;
}
