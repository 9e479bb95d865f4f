// The tokenizer that comes with a checkpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// The first that is there and can be used: tokenizer.model (sentencepiece, or a list of tiktoken), tokenizer.json,
// another NAME.model of the first two kinds, NAME.tiktoken, llama2.c's tokenizer.bin or tokNUMBER.bin, BERT's
// vocab.txt, vocab.json with merges.txt, a list of words that has as many ids as a matrix has rows
// (vocabulary/word_list.h), the metadata of a GGUF file. Beside them, added tokens, special tokens and the flags
// add_bos_token and add_eos_token come from tokenizer_config.json, added_tokens.json and config.json. `notes`, where
// there are any, gets a sentence of a file that was passed over for another. Error(kInput) when there is none, or why
// the first cannot be used.
Tokenizer load_tokenizer(const Checkpoint& checkpoint, std::vector<std::string>* notes = nullptr);

// The files that it is read from by name, for messages: "model: tokenizer.json and tokenizer_config.json", or the file
// that it lies in with the weights.
std::string described_tokenizer(const Checkpoint& checkpoint);

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
  // Of files that were passed over.
  const std::vector<std::string>& notes() const noexcept { return notes_; }

 private:
  std::optional<Tokenizer> tokenizer_;
  std::string problem_;
  std::vector<std::string> notes_;
};

}  // namespace quern
