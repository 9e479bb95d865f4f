// Centroids and indices of a whole matrix by VPTQ, on as many threads as the argument says: weights a second of wall
// time, beside the processor time of all threads.
#include <benchmark/benchmark.h>

#include <mutex>
#include <string>
#include <utility>

#include "base/random.h"
#include "codec/packed_tensor.h"
#include "codec/pooled_training.h"

namespace quern {
namespace {

constexpr std::size_t kRows = 1024, kCols = 1024, kRowsAtOnce = 240;  // whole stripes of every length

Matrix gaussian() {
  Random random(1);
  Matrix matrix(kRows, kCols);
  for (float& value : matrix.flat()) value = static_cast<float>(0.02 * random.normal());
  return matrix;
}

MatrixView part_of(const Matrix& matrix, std::size_t begin, std::size_t end) {
  return {matrix.row(begin).data(), end - begin, kCols, kCols};
}

void bench_whole(benchmark::State& state, const Codec& codec) {
  const Matrix weights = gaussian();
  ThreadPool pool(static_cast<unsigned>(state.range(0)));
  for (auto _ : state) {
    const auto training = codec.train(codec);
    std::mutex mutex;  // guards training
    parallel_for(pool, kRows, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      const auto some = codec.train(codec);
      observe_rows(codec, part_of(weights, begin, end), {}, *some);
      const std::lock_guard lock(mutex);
      training->merge(*some);
    });
    const auto trained = trained_codec(codec, finish_training(*training, pool));
    parallel_for(pool, kRows, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      PackedTensor packed(trained, {end - begin, kCols});
      encode_rows(part_of(weights, begin, end), {}, packed);
      benchmark::DoNotOptimize(packed.plane(0).data());
    });
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kRows * kCols));
}

const int kRegistered = [] {
  for (const char* name : {"vptq_v6_k4096", "vptq_v4_k256", "vptq_v4_k256_r256"})
    benchmark::RegisterBenchmark(("whole/" + std::string(name)).c_str(),
                                 [name](auto& state) { bench_whole(state, *find_codec(name)); })
        ->ArgName("threads")
        ->Arg(1)
        ->Arg(2)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kMillisecond);
  return 0;
}();

}  // namespace
}  // namespace quern
