// Weights that were quantized before they came here: what they are, and which a plan would quantize once more.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "plan/output_tensor.h"
#include "runtime/open_model.h"

namespace quern {

// How the numbers of a tensor were quantized: the name of a number format that is no float, or the layout of another
// package; empty: they were not, as floats of 16 bits and more are not.
std::string quantization_of(const TensorEntry& entry);

// How the matrices of a model are quantized, which may come in several specs.
class QuantizedMatrices {
 public:
  void add(const ModelSpec& spec, const Checkpoint& source);
  // "q4_k (128 of 170 matrices), q6_k (42 of 170 matrices)"; empty: none is.
  std::string text() const;

 private:
  std::map<std::string, std::size_t> counts_;
  std::size_t matrices_ = 0;
};

// Of a model in one.
std::string describe_quantization(const ModelSpec& spec, const Checkpoint& source);

// Steps of the plan that round a quantized weight to another grid. Floats of 16 bits or more, and those that are copied
// in the number format that they have, are none, nor are those of which `is_lossless`.
std::size_t steps_quantized_again(const Plan& plan, const OpenModel& source, const ExportMap& names,
                                  const std::function<bool(const OutputTensor&)>& is_lossless);

}  // namespace quern
