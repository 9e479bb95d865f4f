// Operations on values of the same place.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace quern {

// out = silu(gate) * up, silu(x) = x / (1 + e^-x). REQUIRES: equal sizes.
void silu_mul(std::span<const float> gate, std::span<const float> up, std::span<float> out);

// out = max(gate, 0)^2 * up, the activation "relu2" of transformers. NaN stays. REQUIRES: equal sizes.
void squared_relu_mul(std::span<const float> gate, std::span<const float> up, std::span<float> out);

// out = silu(x). `out` may be x. REQUIRES: equal sizes.
void silu(std::span<const float> x, std::span<float> out);

// out = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), the GELU of GPT-2 ("gelu_new"). `out` may be x.
// REQUIRES: equal sizes.
void gelu_tanh(std::span<const float> x, std::span<float> out);

// out = x/2 * (1 + erf(x / sqrt(2))), PyTorch's GELU, to 1e-6 relative for x >= 0, 2e-7 x^2 more below. `out` may be x.
// REQUIRES: equal sizes.
void gelu_exact(std::span<const float> x, std::span<float> out);

// out = a + b. REQUIRES: equal sizes.
void add(std::span<const float> a, std::span<const float> b, std::span<float> out);

// out = a + scale * b. REQUIRES: equal sizes.
void add_scaled(std::span<const float> a, std::span<const float> scale, std::span<const float> b, std::span<float> out);

// Adds `bias` to every row. REQUIRES: one value per column.
void add_bias(std::span<const float> bias, MutableMatrixView to);

// Whether no value is NaN or infinite.
bool all_finite(std::span<const float> values);

}  // namespace quern
