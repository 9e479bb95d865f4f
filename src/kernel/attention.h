// Causal softmax attention of one window of tokens.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace quern {

struct AttentionShape {
  std::uint32_t heads = 0, kv_heads = 0,
                head_dim = 0;  // kv_heads divides heads; head h reads k and v of h / (heads / kv_heads)
  double scale = 0;
  std::uint32_t window = 0;  // a position sees at most this many, itself included; 0: all before it
};

// out[n, heads*head_dim] = softmax(q k^T * scale) v for n new queries q [n, heads*head_dim] and all the keys and values
// so far, k, v [past + n, kv_heads*head_dim], past = k.rows - q.rows: query i stands at position past + i and sees
// positions max(0, past + i - window + 1) .. past + i. Runs on the calling thread, with scores of 64 queries in memory;
// a split of a window changes the results by rounding only. REQUIRES: v of k's extents, no fewer keys than queries.
void causal_attention(const AttentionShape& shape, MatrixView q, MatrixView k, MatrixView v, MutableMatrixView out);

}  // namespace quern
