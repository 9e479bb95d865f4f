// Round-to-nearest with scales that minimise the error of the layer's output: column c counts as E[x_c^2], the diagonal
// of the proxy loss tr((W - Q) E[x x^T] (W - Q)^T) that GPTQ and LDLQ minimise in full.
#include <numeric>
#include <vector>

#include "optim/optimizer.h"

namespace quern {
namespace {

// Moments as floats of mean 1: only ratios matter, and the codecs sum in float.
std::vector<float> column_importance(std::span<const double> moments) {
  const double sum = std::accumulate(moments.begin(), moments.end(), 0.0);
  if (!(sum > 0)) return {};
  std::vector<float> importance;
  for (const double moment : moments)
    importance.push_back(static_cast<float>(moment * static_cast<double>(moments.size()) / sum));
  return importance;
}

void encode(const Codec& codec, MatrixView rows, std::span<const double> moments, PackedTensor& out) {
  const std::vector<float> importance = column_importance(moments);
  encode_rows(codec, rows, importance, out.row(0));
}

}  // namespace

extern const Optimizer weighted_rtn;
const Optimizer weighted_rtn{.name = "weighted",
                             .summary = "round to nearest, columns weighted by the second moments of their inputs",
                             .encode = encode};

}  // namespace quern
