// quern bench MODEL [--against OTHER]
#include <fmt/core.h>

#include <memory>

#include "apps/benchmark.h"
#include "base/counted.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/options.h"

namespace quern::cli {
namespace {

struct Options {
  BenchmarkOptions bench;
  SharedOptions shared;
};

template <typename Cell>
std::string row(const char* what, const Benchmark& b, Cell cell) {
  std::string text = fmt::format("{:<34}", what);
  for (const Speed& speed : b.models) text += fmt::format("{:>28}", cell(speed));
  return text + "\n";
}

std::string spread(double median, const std::vector<double>& repeats) {
  const auto [low, high] = std::minmax_element(repeats.begin(), repeats.end());
  return fmt::format("{:.1f} ({:.1f} to {:.1f})", median, *low, *high);
}

std::string table(const Benchmark& b) {
  std::string text =
      fmt::format("{}, {} kernels, memory read at {:.1f} GB/s; medians of {} interleaved runs\n",
                  counted(b.threads, "thread"), b.instruction_set, b.bandwidth, b.models[0].rates.size());
  text += row("", b, [](const Speed& s) { return printable_line(s.model); });
  text += row(fmt::format("prompt of {}, tokens/s", b.prompt_tokens).c_str(), b,
              [](const Speed& s) { return spread(s.prompt_rate, s.prompt_rates); });
  text += row(fmt::format("generation of {}, tokens/s", b.tokens).c_str(), b,
              [](const Speed& s) { return spread(s.rate, s.rates); });
  text +=
      row("weights read a token, bytes", b, [](const Speed& s) { return fmt::format("{}", s.weight_bytes_per_token); });
  text += row("share of the memory bandwidth", b,
              [](const Speed& s) { return fmt::format("{:.0f}%", 100 * s.bandwidth_share); });
  text += row("keys, values, states, bytes", b, [](const Speed& s) { return fmt::format("{}", s.state_bytes); });
  text += row("peak memory, bytes", b, [](const Speed& s) { return fmt::format("{}", s.peak_bytes); });
  text += row("files, bytes", b, [](const Speed& s) { return fmt::format("{}", s.file_bytes); });
  return text;
}

int run(Options o) {
  o.bench.machine = o.shared.machine();
  const Benchmark result = [&] {
    TerminalObserver observer(o.shared.verbosity());
    return benchmark(o.bench, observer);
  }();
  if (o.shared.json)
    fmt::print("{}\n", dump_json(to_json(result), 1));
  else
    fmt::print("{}", table(result));
  return 0;
}

}  // namespace

Subcommand add_bench(CLI::App& program) {
  CLI::App* app = program.add_subcommand("bench", "Measure how fast a model runs here, alone or beside another");
  const auto o = std::make_shared<Options>();
  app->add_option("MODEL", o->bench.model, "A model, or a package that compress wrote")->type_name("PATH")->required();
  app->add_option("--against", o->bench.against, "Another model, measured in turn with the first")->type_name("PATH");
  app->add_option("--prompt-tokens", o->bench.prompt_tokens, "Tokens fed at once")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("-n,--tokens", o->bench.tokens, "Tokens generated one by one")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("--repeats", o->bench.repeats, "Measurements of each, of which the median counts")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  add_shared(*app, o->shared);
  add_max_memory(*app, o->shared, kNoLimit);
  app->footer("Example: quern bench build/demo/llama-7m-q4_k_m --against models/llama-7m");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
