// How much memory a model takes while it runs, from the ops of its description.
#pragma once

#include "model/model_spec.h"
#include "model/weights.h"

namespace quern {

// Bytes, for one sequence.
struct MemoryEstimate {
  std::uint64_t context = 0;      // tokens
  std::uint64_t made_for = 0;     // tokens that the model was made for; 0: no limit that the description knows
  std::uint64_t stored = 0;       // weights as they are stored
  std::uint64_t weights_f32 = 0;  // weights decoded to float
  std::uint64_t kv_f32 = 0,
                kv_f16 = 0;     // keys and values of all attentions; a sliding window keeps itself and a little more
  std::uint64_t state_f32 = 0;  // inputs that convolutions look back at, and states of scans: whatever the context
};

// context 0: what the model was made for.
MemoryEstimate estimate_memory(const Weights& weights, const ModelSpec& spec, std::uint64_t context);

}  // namespace quern
