// `quern bench`: how fast a model runs here, alone or beside another.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "quern/machine_options.h"
#include "quern/observer.h"

namespace quern {

struct BenchmarkOptions {
  std::filesystem::path model, against;  // against empty: alone
  std::size_t prompt_tokens = 256, tokens = 64, repeats = 5;
  MachineOptions machine;
};

struct Speed {
  std::string model;
  std::uint64_t file_bytes = 0, weight_bytes_per_token = 0, state_bytes = 0;
  std::uint64_t peak_bytes = 0;             // resident memory at its peak, loading and one run, more than before
  std::vector<double> prompt_rates, rates;  // tokens a second, one a repeat
  double prompt_rate = 0, rate = 0;         // medians
  double bandwidth_share = 0;               // of the measured memory bandwidth, while generating
};

struct Benchmark {
  std::vector<Speed> models;  // one or two
  double bandwidth = 0;       // GB (10^9 bytes) a second
  unsigned threads = 0;
  std::string instruction_set;
  std::size_t prompt_tokens = 0, tokens = 0;
};

// Both models are loaded; then each repeat measures one after the other, the first of them turn by turn. Tokens are
// arbitrary: their values do not change the work. Error(kUsage) for no tokens or fewer than one repeat.
Benchmark benchmark(const BenchmarkOptions& options, Observer& observer);

Json to_json(const Benchmark& benchmark);

}  // namespace quern
