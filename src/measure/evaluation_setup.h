// Arithmetic and memory of an evaluation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/model_spec.h"
#include "quern/machine_options.h"

namespace quern {

// What an evaluation was made with, for reports.
struct EvaluationSetup {
  Precision precision = Precision::kF32;
  std::uint64_t memory_limit = std::uint64_t{1} << 30;  // bytes of hidden states kept in memory
};

// Tokens of a window: 512, as llama-perplexity and llama-imatrix use by default, or the model's context where that is
// shorter.
std::size_t text_window(const ModelSpec& spec);

// Bytes needed beside the hidden states: a block, the largest weight packed, and each thread's window or logits.
std::uint64_t reserved_bytes(const ModelSpec& spec, unsigned threads, std::size_t window_length);

// The arithmetic to use and the bytes of hidden states to keep: a quarter of what `threads` walking windows of this
// length through the largest block leave of max_memory, since a comparison keeps up to twice that at a time.
// Error(kResource) when nothing is left; the message says how much it needs.
EvaluationSetup evaluation_setup(const MachineOptions& machine, const ModelSpec& spec, unsigned threads,
                                 std::size_t window_length);

}  // namespace quern
