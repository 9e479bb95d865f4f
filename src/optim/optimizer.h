// How codes are chosen for a codec. Rows of the table in src/optim/optimizers.cpp.
#pragma once

#include <span>
#include <string_view>

#include "codec/packed_tensor.h"
#include "optim/encode_error.h"
#include "optim/input_context.h"
#include "tensor/tensor.h"

namespace quern {

struct Optimizer {
  // What it must know of a matrix's inputs. Where that is not at hand it does with less: the next of these.
  enum class Needs { kNothing, kMoments, kHessian };

  const char* name;  // as plans name it
  const char* summary;
  Needs needs;
  // Encodes all of `rows` into `out` (as many rows), by its codec. Rows are independent but for those that the codec
  // encodes together.
  void (*encode)(const InputContext& inputs, MatrixView rows, PackedTensor& out);
};

std::span<const Optimizer* const> optimizers();
// Error(kUsage) with the nearest names.
const Optimizer& find_optimizer(std::string_view name);
// The one that makes the most of what is known.
const Optimizer& best_optimizer(Optimizer::Needs known);

}  // namespace quern
