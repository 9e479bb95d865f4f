// A matrix kept in its codecs' bytes, multiplied by all threads.
#pragma once

#include "runtime/walk_context.h"

namespace quern {

// The weight in memory as it is stored, one tensor after another: neighbours of one codec become one piece, and each
// change of codec begins the next (experts may have been raised one by one). One whose rows are nowhere in a codec's
// bytes (transposed, or computed by an overlay) is decoded and kept in its own 16 or 32 bits (bf16 and f16 exactly as
// they were).
std::vector<PackedTensor> load_packed(const WalkContext& context, const Weight& weight);

// Bytes of what load_packed gives, from the table of tensors alone.
std::uint64_t packed_bytes(const Weights& weights, const Weight& weight);

class PackedLinear {
 public:
  PackedLinear(const WalkContext& context, const Weight& weight)
      : pieces_(load_packed(context, weight)), rows_(weight.layout().rows), pool_(&context.pool) {}

  std::size_t rows() const noexcept { return rows_; }
  std::uint64_t bytes() const;
  // y = x times rows first .. first + y.cols - 1. Uses the pool: not from inside one of its tasks.
  void apply(MatrixView x, std::size_t first, MutableMatrixView y) const;

 private:
  std::vector<PackedTensor> pieces_;  // their rows follow one another
  std::size_t rows_;
  ThreadPool* pool_;
};

}  // namespace quern
