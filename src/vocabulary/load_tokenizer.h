// The tokenizer that comes with a checkpoint.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "text/tokenizer.h"

namespace quern {

// The first that is there: tokenizer.model, tokenizer.json, vocab.json with merges.txt, a list of words that has as
// many ids as a matrix has rows (text/word_list.h), the metadata of a GGUF file. Beside the first three, added tokens,
// special tokens and the flags add_bos_token and add_eos_token come from tokenizer_config.json, added_tokens.json and
// config.json. Error(kInput) when there is none, or only a kind that is not supported.
Tokenizer load_tokenizer(const Checkpoint& checkpoint);

// Whether there is one, of a supported kind or not.
bool has_tokenizer(const Checkpoint& checkpoint);

// The tokenizer of a model's files, or why it cannot be used.
class SourceTokenizer {
 public:
  explicit SourceTokenizer(const Checkpoint& files);

  // Error(kInput): it cannot be used.
  const Tokenizer& get() const;
  // Empty: it can.
  const std::string& problem() const noexcept { return problem_; }

 private:
  std::optional<Tokenizer> tokenizer_;
  std::string problem_;
};

}  // namespace quern
