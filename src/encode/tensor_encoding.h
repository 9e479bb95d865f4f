// What must be known of a whole tensor before its bytes can be written: what its codec is trained to, and where each
// row begins where rows have sizes of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "encode/weight_rows.h"

namespace quern {

struct TensorEncoding {
  std::shared_ptr<const Codec> codec;  // trained on the tensor where it is a codec that is
  std::vector<std::uint64_t> offsets;  // of a measured codec: where each row begins in plane 0, and where the last ends

  bool is_measured() const { return !offsets.empty(); }
  // Of each plane.
  std::vector<std::uint64_t> part_bytes(RowLayout layout) const;
};

// Reads the rows once to train, and encodes them once to measure, where the step's codec wants it; keeps 8 bytes a row.
TensorEncoding measure_encoding(const ExportedRows& rows, const PlanStep& step, const Inputs& inputs, ThreadPool& pool);

// Whether measure_encoding has work to do.
bool wants_measuring(const Codec& codec);

// Bytes of each plane as far as shape and codec tell; those that a measured codec comes to are estimated.
std::vector<std::uint64_t> expected_part_bytes(const Codec& codec, RowLayout layout);

}  // namespace quern
