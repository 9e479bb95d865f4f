// Channels side by side, kChannels at a time, with their states transposed to [S, kChannels]: a token's x and dt are
// then read as they lie, and the sum over the states needs no sum across lanes. Fused multiply-adds are written out, so
// every compiler rounds at the same places.
#include "kernel/selective_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "kernel/lane_math.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::size_t kChannels = kMathLanes;
constexpr std::size_t kStatesTogether = 4;  // the sum over states leaves its register once per so many (4: fastest)
using ChannelLanes = std::array<float, kChannels>;

// 2^(dt * a) to 2e-7 relative for dt * a in [-126.5, 0]. 2^f = 1 + f q(f) on |f| <= 1/2, q by minimax of the relative
// error (Lawson's iteration), so that the error vanishes with f: a state that decays slowly adds it up over many
// tokens.
inline float decay(float dt, float a) noexcept {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = __builtin_fmaf(dt, a, kRound);
  const float f = __builtin_fmaf(dt, a, kRound - shifted);
  float p = 0x1.5bba16p-10f;
  p = __builtin_fmaf(p, f, 0x1.3cea88p-7f);
  p = __builtin_fmaf(p, f, 0x1.c6b752p-5f);
  p = __builtin_fmaf(p, f, 0x1.ebf9bcp-3f);
  p = __builtin_fmaf(p, f, 0x1.62e42ap-1f);
  p = __builtin_fmaf(p, f, 1.0f);
  return p * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127u) << 23);
}

// The smallest dt * a that decay() takes; 2^-126 forgets everything.
constexpr float kSteepest = -126.0f;

// kChannels channels: `rates` are a * log2(e).
struct ScanTile {
  std::vector<float> rates, limited, states;
  ChannelLanes steepest{};  // largest |rate| of each channel
};

struct ScanToken {
  ChannelLanes dt{}, dt_x{}, y{};
};

template <std::size_t kStates>
inline void advance(const float* __restrict rates, const float* __restrict b, const float* __restrict c,
                    float* __restrict states, ScanToken& token) {
  const float *dt = token.dt.data(), *dt_x = token.dt_x.data();
  float* __restrict y = token.y.data();
  for (std::size_t l = 0; l < kChannels; ++l) {
    float sum = y[l];
#pragma GCC unroll 4
    for (std::size_t s = 0; s < kStates; ++s) {
      const std::size_t at = s * kChannels + l;
      const float h = __builtin_fmaf(decay(dt[l], rates[at]), states[at], dt_x[l] * b[s]);
      states[at] = h;
      sum = __builtin_fmaf(h, c[s], sum);
    }
    y[l] = sum;
  }
}

void load(MatrixView a, std::span<const float> state, std::size_t first, ScanTile& tile) {
  const std::size_t width = std::min(kChannels, a.rows - first), states = a.cols;
  constexpr float kLog2E = 1.44269504f;
  tile.steepest.fill(0.0f);
  for (std::size_t l = 0; l < width; ++l) {
    const float *rates = a.row(first + l).data(), *from = &state[(first + l) * states];
    float steepest = 0;
    for (std::size_t s = 0; s < states; ++s) {
      const float rate = rates[s] * kLog2E;
      tile.rates[s * kChannels + l] = rate;
      tile.states[s * kChannels + l] = from[s];
      steepest = std::max(steepest, -rate);
    }
    tile.steepest[l] = steepest;
  }
}

void store(const ScanTile& tile, std::size_t states, std::size_t first, std::span<float> state) {
  const std::size_t width = std::min(kChannels, state.size() / states - first);
  for (std::size_t l = 0; l < width; ++l)
    for (std::size_t s = 0; s < states; ++s) state[(first + l) * states + s] = tile.states[s * kChannels + l];
}

// Whether dt * a leaves the range of decay() anywhere. Compared as integers: floats of one sign are in the same order.
bool exceeds_range(const ScanTile& tile, const ScanToken& token) {
  std::uint32_t largest = 0;
  for (std::size_t l = 0; l < kChannels; ++l)
    largest = std::max(largest, std::bit_cast<std::uint32_t>(tile.steepest[l] * token.dt[l]));
  return largest > std::bit_cast<std::uint32_t>(-kSteepest);
}

// The rates with dt * a held at kSteepest; the others unchanged, so that no channel's bits depend on its neighbours.
void limit_rates(const ScanToken& token, ScanTile& tile) {
  for (std::size_t i = 0; i < tile.rates.size(); ++i) {
    const float limit = kSteepest / token.dt[i % kChannels];
    tile.limited[i] = tile.rates[i] < limit ? limit : tile.rates[i];
  }
}

void step(std::span<const float> b, std::span<const float> c, ScanToken& token, ScanTile& tile) {
  const bool steep = exceeds_range(tile, token);
  if (steep) limit_rates(token, tile);
  const float* rates = steep ? tile.limited.data() : tile.rates.data();
  float* states = tile.states.data();
  std::size_t s = 0;
  for (; s + kStatesTogether <= b.size(); s += kStatesTogether)
    advance<kStatesTogether>(rates + s * kChannels, &b[s], &c[s], states + s * kChannels, token);
  for (; s < b.size(); ++s) advance<1>(rates + s * kChannels, &b[s], &c[s], states + s * kChannels, token);
}

// Lanes beyond the last channel get zeros.
ChannelLanes channels_of(std::span<const float> row, std::size_t first) {
  ChannelLanes lanes{};
  if (row.size() >= first + kChannels) {
    std::copy_n(&row[first], kChannels, lanes.begin());
  } else {
    std::copy(row.begin() + static_cast<std::ptrdiff_t>(first), row.end(), lanes.begin());
  }
  return lanes;
}

}  // namespace

void selective_scan(MatrixView a, std::span<const float> d, MatrixView x, MatrixView dt_raw, MatrixView b, MatrixView c,
                    std::span<float> state, MutableMatrixView y) {
  ensure(state.size() == a.rows * a.cols && d.size() == a.rows && x.cols == a.rows && b.cols == a.cols,
         "scan of {} channels with {} states: {} skip weights, {} inputs, {} columns of b, a state of {}", a.rows,
         a.cols, d.size(), x.cols, b.cols, state.size());
  const std::size_t values = a.cols * kChannels;
  ScanTile tile{std::vector<float>(values), std::vector<float>(values), std::vector<float>(values)};
  for (std::size_t first = 0; first < a.rows; first += kChannels) {
    load(a, state, first, tile);
    const ChannelLanes skip = channels_of(d, first);
    for (std::size_t t = 0; t < x.rows; ++t) {
      const ChannelLanes in = channels_of(x.row(t), first), raw = channels_of(dt_raw.row(t), first);
      ScanToken token;
      for (std::size_t l = 0; l < kChannels; ++l) {
        token.dt[l] = lane_softplus(raw[l]);
        token.dt_x[l] = token.dt[l] * in[l];
      }
      step(b.row(t), c.row(t), token, tile);
      for (std::size_t l = 0; l < kChannels; ++l) token.y[l] += skip[l] * in[l];
      std::copy_n(token.y.begin(), std::min(kChannels, a.rows - first), y.row(t).data() + first);
    }
    store(tile, a.cols, first, state);
  }
}

}  // namespace quern
