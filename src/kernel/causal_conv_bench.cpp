// Tokens a second of one thread through the convolutions of twelve layers of 512 channels and 4 taps (mamba-8m).
#include <benchmark/benchmark.h>

#include <vector>

#include "kernel/causal_conv.h"

namespace quern {
namespace {

constexpr std::size_t kLayers = 12, kChannels = 512, kTaps = 4;

void bench_conv(benchmark::State& bench) {
  const auto tokens = static_cast<std::size_t>(bench.range(0));
  const std::vector<float> weights(kChannels * kTaps, 0.25f), bias(kChannels, 0.1f);
  Matrix x(tokens, 2 * kChannels), y(tokens, kChannels);
  for (float& v : x.flat()) v = 1.0f;
  std::vector<float> history((kTaps - 1) * kChannels);
  for (auto _ : bench) {
    for (std::size_t layer = 0; layer < kLayers; ++layer)
      causal_conv(weights, bias, {x.row(0).data(), tokens, kChannels, x.cols()}, history, y.view());
    benchmark::DoNotOptimize(y.flat().data());
  }
  bench.SetItemsProcessed(static_cast<std::int64_t>(bench.iterations() * tokens));
}
BENCHMARK(bench_conv)->Arg(1)->Arg(512);

}  // namespace
}  // namespace quern
