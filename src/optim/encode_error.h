// The error of encoded weights.
#pragma once

#include "codec/packed_tensor.h"
#include "optim/input_context.h"
#include "tensor/tensor.h"

namespace quern {

// Sums over encoded weights, with the energy of the weights in the same measure. D: differences, W: weights.
struct EncodeError {
  double weighted = 0,
         weighted_energy = 0;  // tr(D diag(H) D^T): columns count as their second moments, 1 where there are none
  double plain = 0, plain_energy = 0;    // tr(D D^T)
  double output = 0, output_energy = 0;  // tr(D H D^T), what the product's output is wrong by; 0 without a Hessian

  EncodeError& operator+=(const EncodeError& other);
  EncodeError& operator*=(double factor);
  // The best measure that there is: `output` where there was a Hessian, or `weighted`.
  double loss() const { return output_energy > 0 ? output : weighted; }
  double energy() const { return output_energy > 0 ? output_energy : weighted_energy; }  // in the same measure
  // Relative errors; 0 for an all-zero tensor.
  double relative_loss() const { return output_energy > 0 ? output / output_energy : relative_weighted(); }
  double relative_weighted() const { return weighted_energy > 0 ? weighted / weighted_energy : 0; }
  double relative_plain() const { return plain_energy > 0 ? plain / plain_energy : 0; }
};

// Error of `packed` against the rows it was made from.
EncodeError measure_error(MatrixView rows, const InputContext& inputs, const PackedTensor& packed);

}  // namespace quern
