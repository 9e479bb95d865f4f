// Interleaved repeats over sequences in memory.
#include "apps/benchmark.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>

#include "base/cpu.h"
#include "base/elapsed.h"
#include "base/fail.h"
#include "base/interruption.h"
#include "kernel/memory_bandwidth.h"
#include "kernel/packed_product.h"
#include "model/tied_copy.h"
#include "runtime/open_model.h"
#include "runtime/sequence.h"
#include "runtime/sequence_memory.h"

namespace quern {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// A line of the process's status, in bytes; 0 where the system has none.
std::uint64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1)) * 1024;
  return 0;
}

// Resident memory, and the kernel's record of its peak begins anew (proc(5), clear_refs).
std::uint64_t begin_peak() {
  std::ofstream("/proc/self/clear_refs") << 5;
  return status_bytes("VmRSS");
}

// A loaded model and what was measured of it.
struct Side {
  std::uint64_t before;  // resident bytes; taken first
  OpenModel model;
  std::optional<WalkContext> walk;
  std::optional<Sequence> sequence;
  Speed speed;

  Side(const std::filesystem::path& path, const BenchmarkOptions& options, ThreadPool& pool, const Observer& observer)
      : before(begin_peak()), model(path) {
    const std::uint64_t context = model.spec.extent("context");
    if (options.prompt_tokens > context || options.tokens > context - options.prompt_tokens)
      fail(ErrorCode::kUsage, "{} and {} tokens do not fit the context of {} of {}", options.prompt_tokens,
           options.tokens, context, path.string());
    const std::size_t needed = options.prompt_tokens + options.tokens;
    check_tied_copy(model.checkpoint, model.spec);
    walk.emplace(model.walk(pool, Precision::kF32));
    check_sequence_memory(*walk, needed, options.machine.max_memory);
    sequence.emplace(*walk, needed);
    speed.model = model.name();
    speed.file_bytes = model.file_bytes();
    speed.weight_bytes_per_token = weight_bytes_per_token(*walk);
    speed.state_bytes = state_bytes(model.spec, needed);
    measure(options, observer);  // warms up; from here on the process holds all that this model needs
    speed.prompt_rates.clear();
    speed.rates.clear();
    const std::uint64_t peak = status_bytes("VmHWM");
    speed.peak_bytes = peak - std::min(peak, before);
  }

  void measure(const BenchmarkOptions& options, const Observer& observer) {
    const auto vocabulary = static_cast<std::int32_t>(model.spec.extent("vocab"));
    std::vector<std::int32_t> prompt(options.prompt_tokens);
    for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<std::int32_t>(i * 7919 % vocabulary);
    sequence->clear();
    auto start = Clock::now();
    sequence->feed(prompt, [&] { check_interrupted(observer); });
    speed.prompt_rates.push_back(static_cast<double>(options.prompt_tokens) / seconds_since(start));
    start = Clock::now();
    for (std::size_t i = 0; i < options.tokens; ++i) {
      check_interrupted(observer);
      const auto id = static_cast<std::int32_t>(i * 104729 % vocabulary);
      sequence->feed({&id, 1});
    }
    speed.rates.push_back(static_cast<double>(options.tokens) / seconds_since(start));
  }
};

void check(const BenchmarkOptions& options) {
  if (options.repeats == 0 || options.prompt_tokens == 0 || options.tokens == 0)
    throw Error(ErrorCode::kUsage, "a measurement needs at least one repeat, one token of prompt and one to generate");
}

}  // namespace

Benchmark benchmark(const BenchmarkOptions& options, Observer& observer) {
  check(options);
  ThreadPool pool(options.machine.threads);
  Benchmark result{.models = {},
                   .bandwidth = memory_read_bandwidth(pool),
                   .threads = pool.threads(),
                   .instruction_set = packed_product_instructions(),
                   .prompt_tokens = options.prompt_tokens,
                   .tokens = options.tokens};
  std::vector<std::unique_ptr<Side>> sides;
  sides.push_back(std::make_unique<Side>(options.model, options, pool, observer));
  if (!options.against.empty()) sides.push_back(std::make_unique<Side>(options.against, options, pool, observer));
  observer.stage("bench", options.repeats * sides.size());
  for (std::size_t r = 0; r < options.repeats; ++r)
    for (std::size_t s = 0; s < sides.size(); ++s) {
      Side& side = *sides[(r + s) % sides.size()];
      side.measure(options, observer);
      observer.advance(side.speed.model);
    }
  for (const auto& side : sides) {
    Speed& speed = side->speed;
    speed.prompt_rate = median(speed.prompt_rates);
    speed.rate = median(speed.rates);
    speed.bandwidth_share = static_cast<double>(speed.weight_bytes_per_token) * speed.rate / (result.bandwidth * 1e9);
    result.models.push_back(speed);
  }
  return result;
}

Json to_json(const Benchmark& b) {
  Json::Array models;
  for (const Speed& s : b.models)
    models.push_back(Json::object({{"model", s.model},
                                   {"file_bytes", s.file_bytes},
                                   {"weight_bytes_per_token", s.weight_bytes_per_token},
                                   {"state_bytes", s.state_bytes},
                                   {"peak_bytes", s.peak_bytes},
                                   {"prompt_tokens_per_second", s.prompt_rate},
                                   {"tokens_per_second", s.rate},
                                   {"prompt_repeats", Json::Array(s.prompt_rates.begin(), s.prompt_rates.end())},
                                   {"repeats", Json::Array(s.rates.begin(), s.rates.end())},
                                   {"bandwidth_share", s.bandwidth_share}}));
  return Json::object({{"models", std::move(models)},
                       {"bandwidth_gb_per_second", b.bandwidth},
                       {"threads", b.threads},
                       {"instruction_set", b.instruction_set},
                       {"prompt_tokens", b.prompt_tokens},
                       {"tokens", b.tokens}});
}

}  // namespace quern
