// Dimensions of a model from the shapes of its tensors.
#pragma once

#include "model/hyper_parameters.h"
#include "model/tensor_table.h"

namespace quern {

// Sets the extents that nothing has set yet and that the tensors show: layers and experts are counted, every other one
// is solved for from the axes of the first tensor in which it is the only unknown, in the first layer that has that
// tensor. Each leaves its evidence.
void infer_extents(HyperParameters& parameters, const Naming& naming, const std::vector<TensorRow>& rows);

}  // namespace quern
