// quern bench MODEL [--against OTHER]
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "apps/benchmark.h"
#include "base/counted.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/terminal.h"

namespace quern::cli {
namespace {

struct BenchArguments {
  BenchmarkOptions bench;
  SharedOptions shared;
};

struct Row {
  std::string what;
  std::vector<std::string> cells;  // one a model
};

template <typename Cell>
Row row(std::string what, const Benchmark& b, Cell cell) {
  Row row{std::move(what), {}};
  for (const Speed& speed : b.models) row.cells.push_back(cell(speed));
  return row;
}

std::string spread(double median, const std::vector<double>& repeats) {
  const auto [low, high] = std::minmax_element(repeats.begin(), repeats.end());
  return fmt::format("{:.1f} ({:.1f} to {:.1f})", median, *low, *high);
}

std::vector<Row> rows_of(const Benchmark& b) {
  const auto number = [&](const char* what, auto member) {
    return row(what, b, [&](const Speed& s) { return fmt::format("{}", s.*member); });
  };
  return {row("", b, [](const Speed& s) { return printable_line(s.model); }),
          row(fmt::format("prompt of {}, tokens/s", b.prompt_tokens), b,
              [](const Speed& s) { return spread(s.prompt_rate, s.prompt_rates); }),
          row(fmt::format("generation of {}, tokens/s", b.tokens), b,
              [](const Speed& s) { return spread(s.rate, s.rates); }),
          number("weights read a token, bytes", &Speed::weight_bytes_per_token),
          row("share of the memory bandwidth", b,
              [](const Speed& s) { return fmt::format("{:.0f}%", 100 * s.bandwidth_share); }),
          number("keys, values, states, bytes", &Speed::state_bytes),
          number("peak memory, bytes", &Speed::peak_bytes),
          number("files, bytes", &Speed::file_bytes)};
}

// As wide as its cells; where the terminal has too few columns a line a cell.
std::string table(const Benchmark& b, std::optional<std::size_t> columns) {
  const std::vector<Row> rows = rows_of(b);
  std::size_t what = 0, cell = 0;
  for (const Row& row : rows) {
    what = std::max(what, row.what.size());
    for (const std::string& text : row.cells) cell = std::max(cell, width_of(text));
  }
  const bool is_narrow = columns && what + (cell + 2) * b.models.size() > *columns;
  std::string text =
      fmt::format("{}, {} kernels, memory read at {:.1f} GB/s; medians of {} interleaved runs\n",
                  counted(b.threads, "thread"), b.instruction_set, b.bandwidth, b.models[0].rates.size());
  for (const Row& row : rows) {
    text += is_narrow ? row.what + "\n" : fmt::format("{:<{}}", row.what, what);
    for (const std::string& of_model : row.cells)
      text += is_narrow ? "  " + of_model + "\n" : fmt::format("  {:>{}}", of_model, cell);
    if (!is_narrow) text += '\n';
  }
  return text;
}

int run(BenchArguments o) {
  o.bench.machine = o.shared.machine();
  const Benchmark result = [&] {
    TerminalObserver observer(o.shared.verbosity());
    observer.expect({{"bench", 1}}, PhaseSeconds::kShares);
    return benchmark(o.bench, observer);
  }();
  if (o.shared.json)
    fmt::print("{}\n", dump_json(to_json(result), 1));
  else
    fmt::print("{}", table(result, columns_of_terminal(STDOUT_FILENO)));
  return 0;
}

}  // namespace

Subcommand add_bench(CLI::App& program) {
  CLI::App* app = program.add_subcommand("bench", "Measure how fast a model runs here, alone or beside another");
  const auto o = std::make_shared<BenchArguments>();
  app->add_option("MODEL", o->bench.model, "The model to measure, or a package that compress wrote")
      ->type_name("PATH")
      ->required();
  app->add_option("--against", o->bench.against, "Compare with this model: both are measured in turn")
      ->type_name("PATH");
  app->add_option("--prompt-tokens", o->bench.prompt_tokens, "Tokens of the prompt, which are computed at once")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("-n,--tokens", o->bench.tokens, "Tokens to generate one by one")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("--repeats", o->bench.repeats, "Measure so many times; the median is printed, and the spread")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  add_shared(*app, o->shared);
  add_max_memory(*app, o->shared, kNoLimit);
  app->footer("Example: quern bench build/demo/llama-7m-q4_k_m --against models/llama-7m");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
