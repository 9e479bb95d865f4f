// What number formats lose on a matrix, and how many bytes it takes in them, tried on some of its rows.
#pragma once

#include <vector>

#include "encode/encode.h"
#include "plan/output_tensor.h"

namespace quern {

// A number format on a matrix.
struct TriedCodec {
  const Codec* codec = nullptr;
  EncodeError error;        // not finite where a value exceeds its range
  std::uint64_t bytes = 0;  // of the matrix; where encoding alone tells them, as the rows that were tried have it
};

// Weights of a matrix on which codecs are tried, at most: rows taken evenly from larger ones. Error feedback takes 20
// times as long as rounding, and all codecs are tried on the same rows.
struct WeightsTried {
  std::uint64_t by_rounding = std::uint64_t{1} << 22, by_feedback = std::uint64_t{1} << 17;
};

// In the order of `codecs`. By the optimizer of the tensor's step. What is learned of a whole tensor is learned from
// all rows of it.
std::vector<TriedCodec> try_codecs(const EncodeInput& in, const OutputTensor& tensor,
                                   const std::vector<const Codec*>& codecs, const WeightsTried& most = {});

}  // namespace quern
