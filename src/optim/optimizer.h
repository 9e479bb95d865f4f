// How codes are chosen for a codec. Rows of the table in src/optim/optimizers.cpp.
#pragma once

#include <span>
#include <string_view>

#include "codec/packed_tensor.h"
#include "quern/tensor.h"

namespace quern {

// Sums over encoded weights. `weighted` uses the columns' second moments (1 where there are none), as the loss of the
// layer's output does; `plain` counts every weight alike.
struct EncodeError {
  double weighted = 0, weighted_energy = 0;
  double plain = 0, plain_energy = 0;

  EncodeError& operator+=(const EncodeError& other);
  EncodeError& operator*=(double factor);
  // Relative errors; 0 for an all-zero tensor.
  double relative_weighted() const { return weighted_energy > 0 ? weighted / weighted_energy : 0; }
  double relative_plain() const { return plain_energy > 0 ? plain / plain_energy : 0; }
};

struct Optimizer {
  const char* name;  // as plans name it
  const char* summary;
  // Encodes all of `rows` into `out` (as many rows). `moments`: mean of x^2 per column, or empty. Rows
  // are independent but for those that the codec encodes together.
  void (*encode)(const Codec& codec, MatrixView rows, std::span<const double> moments, PackedTensor& out);
};

std::span<const Optimizer* const> optimizers();
// Error(kUsage) with the nearest names.
const Optimizer& find_optimizer(std::string_view name);

// Error of `packed` against the rows it was made from.
EncodeError measure_error(MatrixView rows, std::span<const double> moments, const PackedTensor& packed);

}  // namespace quern
