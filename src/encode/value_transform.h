// How weights change their values or their places on the way into another container.
#pragma once

#include <span>

#include "model/model_spec.h"
#include "tensor/tensor.h"

namespace quern {

void apply_transform(ExportedWeight::Transform transform, std::span<float> values);

Matrix transposed(const Matrix& matrix);

}  // namespace quern
