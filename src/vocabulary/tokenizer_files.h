// A vocabulary as the files of a Hugging Face folder.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tokenizer/vocabulary.h"
#include "vocabulary/chat_templates.h"

namespace quern {

// tokenizer.model for sentencepiece, tokenizer.json for byte-level BPE, and tokenizer_config.json with the special
// tokens and the templates of conversations. Trailing unused pieces, which pad a GGUF file, are left
// out.
std::vector<TextFile> tokenizer_files(Vocabulary vocabulary, const std::vector<ChatTemplate>& templates);

// generation_config.json with the tokens that begin and end a text; `ends` may hold several.
TextFile generation_config(const Vocabulary& vocabulary, const std::set<std::int32_t>& ends);

// "bos_token_id" and its like in config.json.
void set_special_ids(Json& config, const Vocabulary& vocabulary);

}  // namespace quern
