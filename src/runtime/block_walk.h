// Executes a ModelSpec layer-major: one block's weights are decoded, every window passes through it, the next block
// follows.
#pragma once

#include "model/model_spec.h"
#include "quern/observer.h"
#include "runtime/activation_store.h"
#include "runtime/walk_context.h"
#include "tokenizer/texts.h"

namespace quern {

// Rows of the embedding for these ids; each distinct id is decoded once.
void embed_rows(const Weights& weights, const Weight& weight, std::span<const std::int32_t> ids, MutableMatrixView out);

// Hidden states after the first block (the embedding), reading only the rows that the ids name. Error(kInput) when an
// id is not below the vocabulary.
ActivationStore embed_windows(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit);

// Passes all windows through block `block` in place. REQUIRES: 0 < block < blocks - 1 (the last block is the head's,
// see head.h). A NaN or infinity in the block's output is Error(kInput) that names the block, and the first of its
// weights that holds one, or says that the weights are finite and the values overflowed.
void run_block(const WalkContext& context, std::size_t block, ActivationStore& hidden, const InputHook& hook = {});

// As run_block, but from `from` to `to` (same extents), which leaves the input as it was.
void run_block(const WalkContext& context, std::size_t block, const ActivationStore& from, ActivationStore& to,
               const InputHook& hook = {});

}  // namespace quern
