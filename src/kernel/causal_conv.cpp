// One pass over the channels for every tap, each pass a plain loop that the compiler vectorises.
#include "kernel/causal_conv.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"

namespace quern {
namespace {

// [C, K] to [K, C].
std::vector<float> taps_first(std::span<const float> weights, std::size_t channels, std::size_t taps) {
  std::vector<float> out(weights.size());
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t j = 0; j < taps; ++j) out[j * channels + c] = weights[c * taps + j];
  return out;
}

void add_tap(const float* __restrict weights, const float* __restrict x, std::span<float> y) {
  float* __restrict to = y.data();
  const std::size_t channels = y.size();
  for (std::size_t c = 0; c < channels; ++c) to[c] += weights[c] * x[c];
}

// Drops the oldest rows of `history` and appends the newest of x.
void remember(MatrixView x, std::span<float> history) {
  const std::size_t rows = history.size() / x.cols, fresh = std::min(rows, x.rows);
  std::copy(history.begin() + static_cast<std::ptrdiff_t>(fresh * x.cols), history.end(), history.begin());
  for (std::size_t i = 0; i < fresh; ++i)
    std::ranges::copy(x.row(x.rows - fresh + i), history.subspan((rows - fresh + i) * x.cols, x.cols).begin());
}

}  // namespace

void causal_conv(std::span<const float> weights, std::span<const float> bias, MatrixView x, std::span<float> history,
                 MutableMatrixView y) {
  if (x.rows == 0 || x.cols == 0) return;
  const std::size_t channels = x.cols, taps = weights.size() / channels;
  ensure(taps > 0 && weights.size() == taps * channels && history.size() == (taps - 1) * channels,
         "convolution of {} channels with {} weights and a history of {}", channels, weights.size(), history.size());
  const std::vector<float> by_tap = taps_first(weights, channels, taps);
  for (std::size_t t = 0; t < x.rows; ++t) {
    const std::span<float> to = y.row(t);
    if (bias.empty()) std::ranges::fill(to, 0.0f);
    if (!bias.empty()) std::ranges::copy(bias, to.begin());
    for (std::size_t j = 0; j < taps; ++j) {
      const std::size_t row = t + j;  // of the history followed by x
      const float* from = row + 1 < taps ? &history[row * channels] : x.row(row + 1 - taps).data();
      add_tap(&by_tap[j * channels], from, to);
    }
  }
  remember(x, history);
}

}  // namespace quern
