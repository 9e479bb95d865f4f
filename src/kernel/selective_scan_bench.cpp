// Tokens a second of one thread through the scans of twelve layers of 512 channels and 16 states (mamba-8m), for a
// whole window and token by token.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "kernel/selective_scan.h"

namespace quern {
namespace {

constexpr std::size_t kLayers = 12, kChannels = 512, kStates = 16;

void bench_scan(benchmark::State& bench) {
  const auto tokens = static_cast<std::size_t>(bench.range(0));
  Random random(1);
  Matrix a(kChannels, kStates), x_dt(tokens, 2 * kChannels), b_c(tokens, 2 * kStates), y(tokens, kChannels);
  for (float& v : a.flat()) v = -16.0f * static_cast<float>(random.uniform());
  for (float& v : x_dt.flat()) v = static_cast<float>(random.normal() - 2.0);
  for (float& v : b_c.flat()) v = static_cast<float>(random.normal());
  const std::vector<float> d(kChannels, 1.0f);
  std::vector<float> state(kChannels * kStates);
  const MatrixView x{x_dt.row(0).data(), tokens, kChannels, x_dt.cols()};
  const MatrixView dt{x_dt.row(0).data() + kChannels, tokens, kChannels, x_dt.cols()};
  const MatrixView b{b_c.row(0).data(), tokens, kStates, b_c.cols()};
  const MatrixView c{b_c.row(0).data() + kStates, tokens, kStates, b_c.cols()};
  for (auto _ : bench) {
    for (std::size_t layer = 0; layer < kLayers; ++layer) selective_scan(a.view(), d, x, dt, b, c, state, y.view());
    benchmark::DoNotOptimize(y.flat().data());
  }
  bench.SetItemsProcessed(static_cast<std::int64_t>(bench.iterations() * tokens));
}
BENCHMARK(bench_scan)->Arg(1)->Arg(16)->Arg(512);

}  // namespace
}  // namespace quern
