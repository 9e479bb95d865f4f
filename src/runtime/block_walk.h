// Executes a ModelSpec layer-major: one block's weights are decoded, every window passes through it, the next block
// follows.
#pragma once

#include <functional>

#include "base/thread_pool.h"
#include "kernel/linear.h"
#include "quern/model_spec.h"
#include "quern/observer.h"
#include "runtime/activation_store.h"
#include "runtime/weight_source.h"
#include "text/texts.h"

namespace quern {

// Called with the input of each group of products, once a window and group: `weight` is the first weight of the group.
// Of a mixture of experts it is called for each expert with the rows that were routed to it, if only none. Runs on pool
// threads, at most once at a time for one window. Empty: nobody listens.
using InputHook = std::function<void(const Weight& weight, std::size_t expert, std::size_t window, MatrixView input)>;

// How matrices are kept: decoded to float and laid out for products of many rows, or in the codec's bytes, decoded
// while they are multiplied (for sequences, a token or a few at a time).
enum class WeightForm { kDense, kPacked };

struct WalkContext {
  const ModelSpec& spec;
  const WeightSource& weights;
  ThreadPool& pool;
  Precision precision = Precision::kF32;
  WeightForm form = WeightForm::kDense;
};

// Rows of the embedding for these ids; each distinct id is decoded once.
void embed_rows(const WeightSource& weights, const Weight& weight, std::span<const std::int32_t> ids,
                MutableMatrixView out);

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
