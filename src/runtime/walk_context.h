// What a walk through a model works with, and who listens to it.
#pragma once

#include <cstddef>
#include <functional>

#include "base/thread_pool.h"
#include "kernel/linear.h"
#include "model/model_spec.h"
#include "model/weights.h"

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
  const Weights& weights;
  ThreadPool& pool;
  Precision precision = Precision::kF32;
  WeightForm form = WeightForm::kDense;
};

}  // namespace quern
