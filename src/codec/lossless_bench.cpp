// Speed of the lossless row coder, in bytes of raw weights a second of one thread: rows of Gaussian weights.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "base/scalars.h"
#include "entropy/exponent_split.h"

namespace quern {
namespace {

constexpr std::size_t kValues = 1 << 18;

struct Sample {
  explicit Sample(const LosslessKind& kind) : values(kValues * kind.value_bytes), counts(kind) {
    Random random(1);
    for (std::size_t k = 0; k < kValues; ++k) {
      const auto value = static_cast<float>(0.02 * random.normal());
      if (kind.value_bytes == sizeof(float))
        store(values.data() + k * sizeof(float), value);
      else
        store(values.data() + 2 * k, kind.name == std::string("f16") ? f32_to_f16(value) : f32_to_bf16(value));
    }
    count_values(values, counts);
  }

  std::vector<std::byte> values;
  LosslessCounts counts;
};

// Rows of `cols` values, coded one by one.
struct CodedRows {
  CodedRows(const LosslessTable& table, ByteSpan values, std::size_t row_bytes) : starts{0} {
    for (std::size_t at = 0; at < values.size(); at += row_bytes) {
      encode_lossless_row(table, values.subspan(at, row_bytes), bytes);
      starts.push_back(bytes.size());
    }
  }

  std::vector<std::byte> bytes;
  std::vector<std::size_t> starts;
};

void report(benchmark::State& state, const Sample& sample) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * sample.values.size()));
}

void bench_count(benchmark::State& state, const Sample& sample) {
  for (auto _ : state) {
    LosslessCounts counts(*sample.counts.kind);
    count_values(sample.values, counts);
    benchmark::DoNotOptimize(counts.planes.data());
  }
  report(state, sample);
}

void bench_encode(benchmark::State& state, const Sample& sample, std::size_t cols) {
  const LosslessTable table = train_lossless(sample.counts);
  const std::size_t row_bytes = cols * table.kind->value_bytes;
  std::vector<std::byte> out;
  for (auto _ : state) {
    out.clear();
    for (std::size_t at = 0; at < sample.values.size(); at += row_bytes)
      encode_lossless_row(table, ByteSpan(sample.values).subspan(at, row_bytes), out);
    benchmark::DoNotOptimize(out.data());
  }
  report(state, sample);
  state.counters["percent"] = 100.0 * static_cast<double>(out.size()) / static_cast<double>(sample.values.size());
}

void bench_decode(benchmark::State& state, const Sample& sample, std::size_t cols) {
  const LosslessTable table = train_lossless(sample.counts);
  const std::size_t row_bytes = cols * table.kind->value_bytes;
  const CodedRows rows(table, sample.values, row_bytes);
  std::vector<std::byte> row(row_bytes);
  for (auto _ : state) {
    for (std::size_t r = 0; r + 1 < rows.starts.size(); ++r) {
      decode_lossless_row(table, ByteSpan(rows.bytes).subspan(rows.starts[r], rows.starts[r + 1] - rows.starts[r]),
                          row);
      benchmark::DoNotOptimize(row.data());
    }
  }
  report(state, sample);
}

const int kRegistered = [] {
  for (const LosslessKind& kind : lossless_kinds()) {
    static std::vector<Sample> samples;
    samples.reserve(lossless_kinds().size());
    const Sample& sample = samples.emplace_back(kind);
    const std::string name = std::string("lossless_") + kind.name;
    benchmark::RegisterBenchmark(("count/" + name).c_str(), [&](auto& state) { bench_count(state, sample); });
    for (const std::size_t cols : {128, 2048, 8192}) {
      const std::string row = name + "/" + std::to_string(cols);
      benchmark::RegisterBenchmark(("encode/" + row).c_str(), [&, cols](auto& s) { bench_encode(s, sample, cols); });
      benchmark::RegisterBenchmark(("decode/" + row).c_str(), [&, cols](auto& s) { bench_decode(s, sample, cols); });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace quern
