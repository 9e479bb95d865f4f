// y = x W^T on one thread: weights are laid out once for the processor and shared by all callers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "quern/machine_options.h"
#include "tensor/tensor.h"

namespace quern {

// "f32", "bf16": bfloat16 rounds both factors and sums in float.
std::string_view to_string(Precision precision);
// bf16 where the processor multiplies it natively, otherwise f32.
Precision best_precision();

// Of the library behind the products, "2.6.3".
std::string library_version();

class Linear {
 public:
  // Copies and reorders W [out, in]. Error(kResource) when oneDNN refuses.
  Linear(MatrixView weights, Precision precision);
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;
  ~Linear();

  std::size_t outputs() const noexcept;
  std::size_t inputs() const noexcept;
  // y[m, out] = x[m, in] W^T. Safe from several threads; runs on the calling one. Results of a row depend on nothing
  // but that row and the number of rows m. REQUIRES: stride == cols in both views.
  void apply(MatrixView x, MutableMatrixView y) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quern
