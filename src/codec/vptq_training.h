// Learns the codebook of a tensor in VPTQ.
#pragma once

#include "codec/pooled_training.h"
#include "codec/vptq_codebook.h"

namespace quern {

// Weighted k-means of vectors; of outliers, which a pass of its own chooses, of their halves. Sees stripes.
std::unique_ptr<TensorTraining> train_vptq(const VptqShape& shape);

// The exponent of the least power of two that is a scale.
inline constexpr int kLeastVptqScale = -126;

}  // namespace quern
