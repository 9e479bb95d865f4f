// Attention of one layer of 16 heads of 64 over 1024 positions: a whole window, and its last position alone.
#include <benchmark/benchmark.h>

#include "kernel/attention.h"

namespace quern {
namespace {

void bench_attention(benchmark::State& bench) {
  const auto queries = static_cast<std::size_t>(bench.range(0));
  constexpr std::size_t kPositions = 1024, kWidth = 1024;
  Matrix q(queries, kWidth), k(kPositions, kWidth), v(kPositions, kWidth), out(queries, kWidth);
  for (float& value : k.flat()) value = 0.01f;
  for (float& value : q.flat()) value = 0.5f;
  for (auto _ : bench) {
    causal_attention({.heads = 16, .kv_heads = 16, .head_dim = 64, .scale = 0.125}, q.view(), k.view(), v.view(),
                     out.view());
    benchmark::DoNotOptimize(out.flat().data());
  }
  bench.SetItemsProcessed(static_cast<std::int64_t>(bench.iterations() * queries));
}
BENCHMARK(bench_attention)->Arg(1)->Arg(2)->Arg(1024);

}  // namespace
}  // namespace quern
