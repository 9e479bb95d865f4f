// The tokens that end a text: a model may have several.
#pragma once

#include <cstdint>
#include <set>

#include "format/checkpoint.h"
#include "text/tokenizer.h"

namespace quern {

// The vocabulary's EOS, "eos_token_id" (an id or a list) of config.json and of generation_config.json beside it, and
// GGUF's tokenizer.ggml.eot_token_id and eom_token_id. Error(kInput) when such an id is not a number.
std::set<std::int32_t> end_tokens(const Checkpoint& checkpoint, const Vocabulary& vocabulary);

}  // namespace quern
