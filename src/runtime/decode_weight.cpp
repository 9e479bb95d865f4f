// Rows by all threads, and the decays of a scan, held against what they must be.
#include "runtime/decode_weight.h"

#include <cmath>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::size_t kRowsPerDecode = 64;

}  // namespace

Matrix decode_rows(const WalkContext& context, const Weight& weight, std::size_t first, std::size_t rows) {
  if (weight.storage == Weight::Storage::kTransposed && rows == weight.layout().rows)
    return context.weights.read(weight);
  Matrix decoded(rows, weight.layout().cols);
  parallel_for(context.pool, rows, kRowsPerDecode, [&](std::size_t begin, std::size_t end) {
    const MutableMatrixView view = decoded.view();
    context.weights.read_rows(weight, first + begin, {view.row(begin).data(), end - begin, view.cols, view.stride});
  });
  return decoded;
}

Matrix read_decay(SelectiveScanOp::Decay form, const Weights& weights, const Weight& weight) {
  Matrix a = weights.read(weight);
  for (float& value : a.flat()) {
    const float stored = value;
    if (form == SelectiveScanOp::Decay::kLog) value = -std::exp(stored);
    if (!(value <= 0) || std::isinf(value))
      fail(ErrorCode::kInput, "{}: tensor {} holds {}: a state would {}; the decay it stands for must be finite{}",
           weights.name(), weight.tensor, stored, value > 0 ? "grow with every token" : "not be a number",
           form == SelectiveScanOp::Decay::kNegated ? " and not positive" : "");
  }
  return a;
}

}  // namespace quern
