// quern eval MODEL --text TEXT [--against ORIGINAL]
#include <fmt/core.h>

#include <memory>

#include "apps/eval_files.h"
#include "base/counted.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "report/report.h"

namespace quern::cli {
namespace {

struct Options {
  EvalOptions eval;
  SharedOptions shared;
};

std::string line(const char* what, const Estimate& e, const char* unit, double scale, int digits) {
  return fmt::format("{:<28}{:>12.{}f} +- {:.{}f}{}\n", what, e.value * scale, digits, e.standard_error * scale, digits,
                     unit);
}

std::string table(const Options& o, const EvalResult& r) {
  const Quality& q = r.quality;
  std::string text = fmt::format("{} of {} tokens, {} scored, {} arithmetic\n", counted(q.windows, "window"),
                                 o.eval.window_length, q.tokens, to_string(r.precision));
  text += fmt::format("{:<28}{:>12}\n", "bytes", r.bytes);
  text += line("perplexity", q.perplexity, "", 1, 4);
  if (o.eval.against.empty()) return text;
  text += fmt::format("{:<28}{:>12}\n", "bytes of the original", r.against_bytes);
  text += line("perplexity of the original", q.original_perplexity, "", 1, 4);
  text += line("perplexity increase", q.perplexity_increase, " %", 100, 3);
  text += line("KL divergence, mean", q.mean_kld, " nats", 1, 6);
  text += line("KL divergence, median", q.median_kld, " nats", 1, 6);
  text += line("KL divergence, 99%", q.kld_99, " nats", 1, 5);
  text += line("same most likely token", q.same_top, " %", 100, 3);
  return text;
}

int run(Options o) {
  o.eval.machine = o.shared.machine();
  const EvalResult result = [&] {
    TerminalObserver observer(o.shared.verbosity());
    return eval_files(o.eval, observer);
  }();
  if (o.shared.json) {
    Json json = to_json(result.quality);
    json.set("bytes", result.bytes);
    json.set("original_bytes", result.against_bytes);
    json.set("precision", std::string(to_string(result.precision)));
    json.set("notes", Json::Array(result.notes.begin(), result.notes.end()));
    fmt::print("{}\n", dump_json(json, 1));
  } else {
    fmt::print("{}", table(o, result));
    for (const std::string& note : result.notes) fmt::print("note: {}\n", printable(note));
  }
  return 0;
}

}  // namespace

Subcommand add_eval(CLI::App& program) {
  CLI::App* app = program.add_subcommand("eval", "Measure a model on a text, alone or against the original");
  const auto o = std::make_shared<Options>();
  app->add_option("MODEL", o->eval.model, "A model, or a package that compress wrote")->type_name("PATH")->required();
  app->add_option("--text", o->eval.text, "Text that neither calibration nor the quality bound saw")
      ->type_name("FILE")
      ->required();
  app->add_option("--against", o->eval.against, "The original, for divergence and agreement")->type_name("PATH");
  app->add_option("--windows", o->eval.windows, "Windows at most (0: all)")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(0));
  app->add_option("--window-length", o->eval.window_length, "Tokens a window")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(8, 1 << 20));
  add_shared(*app, o->shared);
  add_compute(*app, o->shared);
  add_max_memory(*app, o->shared, kHalfOfMemory);
  app->footer("Example: quern eval out --against models/llama-7m --text texts/eval.txt");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
