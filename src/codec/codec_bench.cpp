// Encoding and decoding speed of every codec, in weights a second of one thread.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/packed_tensor.h"

namespace quern {
namespace {

constexpr std::size_t kRows = 16, kCols = 4096;

struct Sample {
  std::vector<float> weights, importance;
};

Sample make_sample() {
  Random random(1);
  Sample sample{std::vector<float>(kRows * kCols), std::vector<float>(kCols)};
  for (float& value : sample.weights) value = static_cast<float>(0.02 * random.normal());
  for (float& value : sample.importance) value = static_cast<float>(std::exp(random.normal()));
  return sample;
}

MatrixView rows_of(const Sample& sample) { return {sample.weights.data(), kRows, kCols, kCols}; }

void bench_encode(benchmark::State& state, const Codec& codec, const Sample& sample,
                  std::span<const float> importance) {
  const auto trained = trained_on(codec, rows_of(sample));
  PackedTensor packed(trained, {kRows, kCols});
  for (auto _ : state) {
    if (codec.is_measured()) packed = PackedTensor(trained, {kRows, kCols});
    encode_rows(rows_of(sample), importance, packed);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kRows * kCols));
}

void bench_decode(benchmark::State& state, const Codec& codec, const Sample& sample) {
  const PackedTensor packed = encode_tensor(codec, rows_of(sample));
  Matrix out(kRows, kCols);
  for (auto _ : state) {
    decode_rows(packed.codec(), packed.row(0), 0, out.view());
    benchmark::DoNotOptimize(out.flat().data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kRows * kCols));
}

const int kRegistered = [] {
  static const Sample sample = make_sample();
  for (const Codec* codec : codecs()) {
    const std::string name = codec->name;
    benchmark::RegisterBenchmark(("encode/" + name).c_str(),
                                 [=](auto& state) { bench_encode(state, *codec, sample, {}); });
    benchmark::RegisterBenchmark(("encode_importance/" + name).c_str(),
                                 [=](auto& state) { bench_encode(state, *codec, sample, sample.importance); });
    benchmark::RegisterBenchmark(("decode/" + name).c_str(), [=](auto& state) { bench_decode(state, *codec, sample); });
  }
  return 0;
}();

}  // namespace
}  // namespace quern
