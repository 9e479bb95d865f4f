// The tokenizer that comes with a checkpoint.
#pragma once

#include "quern/checkpoint.h"
#include "quern/tokenizer.h"

namespace quern {

// From the metadata of a GGUF file, or tokenizer.model of a Hugging Face folder; add_bos_token and add_eos_token of
// tokenizer_config.json are honoured. Error(kInput) when there is none, or only a kind that is not supported.
Tokenizer load_tokenizer(const Checkpoint& checkpoint);

}  // namespace quern
