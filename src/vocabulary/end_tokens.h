// The tokens that end a text: a model may have several.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// The vocabulary's EOS, "eos_token_id" (an id or a list) of config.json and of generation_config.json beside it, and
// GGUF's tokenizer.ggml.eot_token_id, eom_token_id and eog_token_ids. Negative ids stand for none. Error(kInput) when
// such an id is not a number.
std::set<std::int32_t> end_tokens(const Checkpoint& checkpoint, const Vocabulary& vocabulary);

// Error(kInput) that names generation_config.json, where it lies beside config.json and is no JSON, or end_tokens would
// refuse it.
void check_generation_config(const Checkpoint& checkpoint);

// Sets the pairs that these ids are read from again: EOS, EOT and EOM, each kept where it is one of them already, and
// of more than three also the list of all, which is of Quern alone. REQUIRES: the vocabulary is there (add_vocabulary).
// Notes what llama.cpp does not read, and ids that are none of the `pieces` tokens, which are left out.
std::vector<std::string> add_end_tokens(Metadata& metadata, std::set<std::int32_t> ends, std::size_t pieces);

}  // namespace quern
