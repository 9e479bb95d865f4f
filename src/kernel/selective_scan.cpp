// Channels side by side, kChannels at a time, with their states transposed to [S, kChannels]: a token's x and dt are
// then read as they lie, and the sum over the states needs no sum across lanes. Fused multiply-adds are written out, so
// every compiler rounds at the same places.
#include "kernel/selective_scan.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/cpu.h"
#include "base/fail.h"
#include "kernel/lane_math.h"

namespace quern {
namespace {

constexpr std::size_t kChannels = kMathLanes;
constexpr std::size_t kStatesTogether = 4;  // the sum over states leaves its register once per so many (4: fastest)
constexpr std::size_t kTokens = 16;         // prepared together: 16 x 512 channels of dt, dt * x and y are 100 KiB

// The smallest dt * rate; the exponential takes no less, and 2^-126 forgets everything.
constexpr float kSteepest = -126.0f;

// Both [tile][state][channel of the tile]; channels beyond the last one are zero.
struct ScanTiles {
  std::vector<float> rates, states;  // rates: a * log2(e)
  std::vector<float> steepest;       // largest |rate| of each channel
};

// The tokens of one block, row by row. Rows are not a power of two apart: a tile's column would otherwise fall into few
// sets of the cache.
struct ScanBlock {
  ScanBlock(std::size_t tokens, std::size_t padded, std::size_t states)
      : dt(tokens, padded + 16), dt_x(dt), y(dt), steep(tokens), limited(kChannels * states) {}

  Matrix dt, dt_x, y;
  std::vector<char> steep;     // whether dt * rate is below kSteepest in any channel
  std::vector<float> limited;  // one tile's rates for such a token
};

template <std::size_t kStates>
[[gnu::always_inline]] inline void advance(const float* __restrict rates, const float* __restrict dt,
                                           const float* __restrict dt_x, const float* __restrict b,
                                           const float* __restrict c, float* __restrict states, float* __restrict y) {
  for (std::size_t l = 0; l < kChannels; ++l) {
    float sum = y[l];
#pragma GCC unroll 4
    for (std::size_t s = 0; s < kStates; ++s) {
      const std::size_t at = s * kChannels + l;
      const float h = __builtin_fmaf(lane_exp2_product(dt[l], rates[at]), states[at], dt_x[l] * b[s]);
      states[at] = h;
      sum = __builtin_fmaf(h, c[s], sum);
    }
    y[l] = sum;
  }
}

ScanTiles load(MatrixView a, std::span<const float> state) {
  constexpr float kLog2E = 1.44269504f;
  const std::size_t padded = (a.rows + kChannels - 1) / kChannels * kChannels;
  ScanTiles tiles{std::vector<float>(padded * a.cols), std::vector<float>(padded * a.cols), std::vector<float>(padded)};
  for (std::size_t channel = 0; channel < a.rows; ++channel) {
    const std::size_t at = channel / kChannels * kChannels * a.cols + channel % kChannels;
    const float *rates = a.row(channel).data(), *from = &state[channel * a.cols];
    float steepest = 0;
    for (std::size_t s = 0; s < a.cols; ++s) {
      const float rate = rates[s] * kLog2E;
      tiles.rates[at + s * kChannels] = rate;
      tiles.states[at + s * kChannels] = from[s];
      steepest = std::max(steepest, -rate);
    }
    tiles.steepest[channel] = steepest;
  }
  return tiles;
}

void store(const ScanTiles& tiles, std::size_t states, std::span<float> state) {
  for (std::size_t channel = 0; channel * states < state.size(); ++channel) {
    const float* from = &tiles.states[channel / kChannels * kChannels * states + channel % kChannels];
    for (std::size_t s = 0; s < states; ++s) state[channel * states + s] = from[s * kChannels];
  }
}

// Whether dt * rate is below kSteepest. Compared as integers: floats of one sign are in the same order.
[[gnu::always_inline]] inline bool exceeds_range(std::span<const float> dt, const float* steepest) {
  std::uint32_t largest = 0;
  for (std::size_t c = 0; c < dt.size(); ++c)
    largest = std::max(largest, std::bit_cast<std::uint32_t>(steepest[c] * dt[c]));
  return largest > std::bit_cast<std::uint32_t>(-kSteepest);
}

[[gnu::always_inline]] inline void prepare(MatrixView x, MatrixView dt_raw, std::size_t first, std::size_t tokens,
                                           const ScanTiles& tiles, ScanBlock& block) {
  for (std::size_t t = 0; t < tokens; ++t) {
    const float *in = x.row(first + t).data(), *raw = dt_raw.row(first + t).data();
    float *dt = block.dt.row(t).data(), *dt_x = block.dt_x.row(t).data();
    for (std::size_t c = 0; c < x.cols; ++c) dt[c] = lane_softplus(raw[c]);
    for (std::size_t c = 0; c < x.cols; ++c) dt_x[c] = dt[c] * in[c];
    std::ranges::fill(block.y.row(t), 0.0f);
    block.steep[t] = exceeds_range({dt, x.cols}, tiles.steepest.data());
  }
}

// The rates of a tile with dt * rate held at kSteepest. Rates in range stay as they are, so that no channel's bits
// depend on its neighbours.
void limit_rates(const float* dt, std::span<const float> rates, std::span<float> limited) {
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const float limit = kSteepest / dt[i % kChannels];
    limited[i] = rates[i] < limit ? limit : rates[i];
  }
}

// One window: what the arguments of selective_scan() are.
struct ScanWindow {
  std::span<const float> d;
  MatrixView x, dt_raw, b, c;
  MutableMatrixView y;
};

// The columns `first` .. first + kChannels - 1 of a block whose tokens begin at row `token` of b and c.
[[gnu::always_inline]] inline void scan_tile(std::size_t first, std::size_t token, std::size_t tokens, MatrixView b,
                                             MatrixView c, ScanTiles& tiles, ScanBlock& block) {
  const std::span<const float> unlimited = std::span(tiles.rates).subspan(first * b.cols, kChannels * b.cols);
  float* states = &tiles.states[first * b.cols];
  for (std::size_t t = 0; t < tokens; ++t) {
    const float *dt = &block.dt.row(t)[first], *dt_x = &block.dt_x.row(t)[first];
    const float *in = b.row(token + t).data(), *out = c.row(token + t).data();
    float* y = &block.y.row(t)[first];
    if (block.steep[t]) limit_rates(dt, unlimited, block.limited);
    const float* rates = block.steep[t] ? block.limited.data() : unlimited.data();
    std::size_t s = 0;
    for (; s + kStatesTogether <= b.cols; s += kStatesTogether)
      advance<kStatesTogether>(rates + s * kChannels, dt, dt_x, in + s, out + s, states + s * kChannels, y);
    for (; s < b.cols; ++s) advance<1>(rates + s * kChannels, dt, dt_x, in + s, out + s, states + s * kChannels, y);
  }
}

[[gnu::always_inline]] inline void scan_block(const ScanWindow& window, std::size_t token, ScanTiles& tiles,
                                              ScanBlock& block) {
  const std::size_t tokens = std::min(kTokens, window.x.rows - token);
  prepare(window.x, window.dt_raw, token, tokens, tiles, block);
  for (std::size_t first = 0; first < window.x.cols; first += kChannels)
    scan_tile(first, token, tokens, window.b, window.c, tiles, block);
  for (std::size_t t = 0; t < tokens; ++t) {
    const float *sums = block.y.row(t).data(), *in = window.x.row(token + t).data(), *d = window.d.data();
    float* out = window.y.row(token + t).data();
    for (std::size_t i = 0; i < window.x.cols; ++i) out[i] = sums[i] + d[i] * in[i];
  }
}

using ScanBlockKernel = void (*)(const ScanWindow&, std::size_t, ScanTiles&, ScanBlock&);

void scan_block_baseline(const ScanWindow& window, std::size_t token, ScanTiles& tiles, ScanBlock& block) {
  scan_block(window, token, tiles, block);
}

// The same operations on lanes, so the same bits; 32 registers of 16 lanes keep four states without spilling.
#if defined(__x86_64__)
#if defined(__clang__)
#define QUERN_AVX512 "avx512f,avx512bw,avx512dq,avx512vl"
#else
#define QUERN_AVX512 "avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"
#endif
[[gnu::target(QUERN_AVX512)]] void scan_block_avx512(const ScanWindow& window, std::size_t token, ScanTiles& tiles,
                                                     ScanBlock& block) {
  scan_block(window, token, tiles, block);
}

ScanBlockKernel best_kernel() { return has_avx512() ? scan_block_avx512 : scan_block_baseline; }
#else
ScanBlockKernel best_kernel() { return scan_block_baseline; }
#endif

}  // namespace

void selective_scan(MatrixView a, std::span<const float> d, MatrixView x, MatrixView dt_raw, MatrixView b, MatrixView c,
                    std::span<float> state, MutableMatrixView y) {
  ensure(state.size() == a.rows * a.cols && d.size() == a.rows && x.cols == a.rows && b.cols == a.cols,
         "scan of {} channels with {} states: {} skip weights, {} inputs, {} columns of b, a state of {}", a.rows,
         a.cols, d.size(), x.cols, b.cols, state.size());
  ScanTiles tiles = load(a, state);
  ScanBlock block(std::min(kTokens, x.rows), tiles.steepest.size(), a.cols);
  const ScanWindow window{d, x, dt_raw, b, c, y};
  const ScanBlockKernel kernel = best_kernel();
  for (std::size_t token = 0; token < x.rows; token += kTokens) kernel(window, token, tiles, block);
  store(tiles, a.cols, state);
}

}  // namespace quern
