// Shape arithmetic.
#include "tensor/tensor.h"

#include "base/bytes.h"
#include "base/fail.h"

namespace quern {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::uint64_t element_count(const Shape& shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) {
    const auto product = checked_mul(count, extent);
    if (!product) fail(ErrorCode::kInput, "shape {} has more elements than 64 bits can count", to_string(shape));
    count = *product;
  }
  return count;
}

RowLayout row_layout(const Shape& shape) {
  if (shape.empty()) return {1, 1};
  element_count(shape);  // rows * cols must fit as well
  return {element_count(Shape(shape.begin(), shape.end() - 1)), shape.back()};
}

}  // namespace quern
