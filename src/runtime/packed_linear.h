// A matrix kept in its codec's bytes, multiplied by all threads.
#pragma once

#include "runtime/block_walk.h"

namespace quern {

// The weight in memory as it is stored; of several tensors one after another. A transposed one is decoded and kept in
// its own 16 or 32 bits (bf16 and f16 exactly as they were).
PackedTensor load_packed(const WalkContext& context, const Weight& weight);

class PackedLinear {
 public:
  PackedLinear(const WalkContext& context, const Weight& weight)
      : weights_(load_packed(context, weight)), pool_(&context.pool) {}

  std::size_t rows() const noexcept { return weights_.layout().rows; }
  std::uint64_t bytes() const { return weights_.bytes(); }
  // y = x times rows first .. first + y.cols - 1. Uses the pool: not from inside one of its tasks.
  void apply(MatrixView x, std::size_t first, MutableMatrixView y) const;

 private:
  PackedTensor weights_;
  ThreadPool* pool_;
};

}  // namespace quern
