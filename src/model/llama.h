// The Llama family: decoder-only transformers with RMS norms, rotary positions, grouped-query attention and a gated
// MLP.
#pragma once

#include "quern/model_spec.h"

namespace quern {

extern const Architecture kLlama;

// Parts of kLlama (llama.cpp, llama_gguf.cpp).
ModelSpec describe_llama(const Checkpoint& checkpoint);
ExportMap llama_to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint);

}  // namespace quern
