// Looks among the checkpoint's files first, then in its metadata.
#include "format/load_tokenizer.h"

#include <string>

#include "base/file.h"
#include "format/vocabulary_gguf.h"
#include "quern/error.h"

namespace quern {
namespace {

const SourceFile* find_file(const Checkpoint& checkpoint, const char* name) {
  for (const SourceFile& file : checkpoint.files())
    if (file.role == SourceFile::Role::kTokenizer && file.path.filename() == name) return &file;
  return nullptr;
}

void set_flag(const Json& config, const char* key, bool& flag) {
  if (const Json* value = config.find(key); value && !value->is_null())
    flag = with_context(fmt::format("key \"{}\"", key), [&] { return value->as_bool(); });
}

Tokenizer load_sentencepiece(const SourceFile& model, const SourceFile* config_file) {
  const std::string bytes = read_text(model.path);
  Tokenizer tokenizer = with_context(fmt::format("while reading {}", model.path.string()),
                                     [&] { return Tokenizer::from_sentencepiece(std::as_bytes(std::span(bytes))); });
  if (!config_file) return tokenizer;
  return with_context(fmt::format("while reading {}", config_file->path.string()), [&] {
    const Json config = parse_json(read_text(config_file->path));
    Vocabulary vocabulary = tokenizer.vocabulary();
    set_flag(config, "add_bos_token", vocabulary.add_bos);
    set_flag(config, "add_eos_token", vocabulary.add_eos);
    const Vocabulary& own = tokenizer.vocabulary();
    if (vocabulary.add_bos == own.add_bos && vocabulary.add_eos == own.add_eos) return tokenizer;
    return Tokenizer::from_vocabulary(vocabulary);
  });
}

}  // namespace

Tokenizer load_tokenizer(const Checkpoint& checkpoint) {
  if (const SourceFile* model = find_file(checkpoint, "tokenizer.model")) {
    return load_sentencepiece(*model, find_file(checkpoint, "tokenizer_config.json"));
  }
  if (checkpoint.metadata().find("tokenizer.ggml.model")) {
    return with_context(fmt::format("while reading the vocabulary of {}", checkpoint.path().string()),
                        [&] { return Tokenizer::from_vocabulary(vocabulary_of(checkpoint.metadata())); });
  }
  fail(ErrorCode::kInput,
       "{} has {}; supported are tokenizer.model (sentencepiece) beside the weights, and the vocabulary inside a GGUF "
       "file",
       checkpoint.path().string(), find_file(checkpoint, "tokenizer.json") ? "only a tokenizer.json" : "no tokenizer");
}

std::optional<std::string> chat_template(const Checkpoint& checkpoint) {
  if (checkpoint.metadata().find("tokenizer.chat_template"))
    return checkpoint.metadata().text("tokenizer.chat_template");
  const SourceFile* file = find_file(checkpoint, "tokenizer_config.json");
  if (!file) return std::nullopt;
  const Json config = with_context(fmt::format("while reading {}", file->path.string()),
                                   [&] { return parse_json(read_text(file->path)); });
  const Json* text = config.find("chat_template");
  if (!text || !text->is_string()) return std::nullopt;
  return text->as_string();
}

}  // namespace quern
