// Products of packed weights with 1, 4 and 16 tokens, in bytes of weights a second, on matrices larger than the caches
// and from the processor's threads; the memory's own speed beside them. One kernel set after the other.
#include <benchmark/benchmark.h>

#include <map>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "base/scalars.h"
#include "codec/packed_tensor.h"
#include "kernel/dot_kernels.h"
#include "kernel/memory_bandwidth.h"
#include "kernel/packed_product.h"

namespace quern {
namespace {

constexpr std::size_t kCols = 4096, kEncodedRows = 8, kGrain = 32;
constexpr std::size_t kBytes = std::size_t{256} << 20;

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

// A few encoded rows repeated up to kBytes. Kept: encoding takes longer than multiplying.
const PackedTensor& weights_of(const Codec& codec) {
  static std::map<const Codec*, PackedTensor> made;
  const auto found = made.find(&codec);
  if (found != made.end()) return found->second;
  made.clear();
  const std::size_t rows = kBytes / codec.row_bytes(kCols) / kEncodedRows * kEncodedRows;
  Random random(1);
  Matrix some(kEncodedRows, kCols);
  for (float& value : some.flat()) value = static_cast<float>(0.02 * random.normal());
  PackedTensor packed(trained_on(codec, some.view()), {rows, kCols});
  for (std::size_t r = 0; r < kEncodedRows; ++r) encode_row(packed.codec(), some.row(r), {}, packed.row(r));
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    const std::size_t run = kEncodedRows * packed.codec().plane_row_bytes(p, kCols);
    for (std::size_t at = run; run > 0 && at < packed.plane(p).size(); at += run) {
      std::copy_n(packed.plane(p).data(), run, packed.plane(p).data() + at);
    }
  }
  return made.emplace(&codec, std::move(packed)).first->second;
}

void bench_product(benchmark::State& state, const DotKernels& kernels, const Codec& codec) {
  if (!kernels.usable()) return state.SkipWithError("not on this processor");
  const PackedTensor& packed = weights_of(codec);
  const auto tokens = static_cast<std::size_t>(state.range(0));
  const std::size_t rows = packed.layout().rows;
  PackedView view{&packed.codec(), packed.layout()};
  for (std::size_t p = 0; p < codec.planes.size(); ++p) view.planes[p] = packed.plane(p).data();
  Matrix x(tokens, kCols), y(tokens, rows);
  Random random(2);
  for (float& value : x.flat()) value = static_cast<float>(random.normal());
  for (auto _ : state) {
    const PackedInput input(codec, x.view());
    parallel_shares(pool(), rows, kGrain, [&](std::size_t begin, std::size_t end) {
      packed_product_by(kernels, view, input, begin, {y.flat().data() + begin, tokens, end - begin, rows});
    });
    benchmark::DoNotOptimize(y.flat().data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * packed.bytes()));
}

void bench_memory(benchmark::State& state) {
  double best = 0;
  for (auto _ : state) best = std::max(best, memory_read_bandwidth(pool(), {kBytes, 1}));
  state.counters["GB/s"] = best;
}

void bench_empty_run(benchmark::State& state) {
  const std::size_t count = pool().threads();
  for (auto _ : state) pool().run(count, [](std::size_t i) { benchmark::DoNotOptimize(i); });
}

const int kRegistered = [] {
  benchmark::RegisterBenchmark("memory", bench_memory)->Iterations(10)->UseRealTime();
  benchmark::RegisterBenchmark("empty_run", bench_empty_run)->UseRealTime();
  for (const Codec* codec : codecs()) {
    if (codec->is_measured()) continue;  // multiplied as the floats that they stand for
    for (const DotKernels* kernels : all_dot_kernels()) {
      const std::string name = std::string(codec->name) + "/" + kernels->name;
      benchmark::RegisterBenchmark(name.c_str(), [=](auto& state) { bench_product(state, *kernels, *codec); })
          ->Arg(1)
          ->Arg(4)
          ->Arg(16)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace quern
