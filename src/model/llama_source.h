// The two places where a Llama configuration is written down. Values are taken over as they are; llama_config.cpp
// checks them.
#pragma once

#include "model/llama_config.h"

namespace quern {

// config.json of a Hugging Face folder: LlamaForCausalLM, MistralForCausalLM.
bool is_llama_transformers(const Checkpoint& checkpoint);
LlamaConfig read_llama_transformers(const Checkpoint& checkpoint);

// Metadata of a GGUF file with general.architecture "llama".
bool is_llama_gguf(const Checkpoint& checkpoint);
LlamaConfig read_llama_gguf(const Checkpoint& checkpoint);

}  // namespace quern
