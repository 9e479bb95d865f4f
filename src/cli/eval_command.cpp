// quern eval MODEL --text TEXT [--against ORIGINAL]
#include <fmt/core.h>
#include <unistd.h>

#include <memory>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/standard_input.h"
#include "cli/terminal.h"
#include "cli/titled_text.h"
#include "kernel/linear.h"
#include "quern/error.h"
#include "quern/evaluate.h"

namespace quern::cli {
namespace {

struct EvalArguments {
  ModelSource model, against;  // an empty path of `against`: perplexity alone
  EvaluateOptions evaluate;
  SharedOptions shared;
};

std::string line(const std::string& what, const Estimate& e, const char* unit, double scale, int digits) {
  return fmt::format("{:<28}{:>12.{}f} +- {:.{}f}{}\n", what, e.value * scale, digits, e.standard_error * scale, digits,
                     unit);
}

std::string table(const EvalArguments& o, const EvaluateResult& r) {
  const Quality& q = r.quality;
  std::string text = fmt::format("{} of {} tokens, {} scored, {} arithmetic\n", counted(q.windows, "window"),
                                 o.evaluate.window_length, q.tokens, to_string(r.precision));
  text += fmt::format("{:<28}{:>12}\n", "bytes", r.bytes);
  text += line("perplexity", q.perplexity, "", 1, 4);
  if (o.against.path.empty()) return text;
  const std::string original = r.original_quantized.empty() ? " of the original" : ", quantized source";
  text += fmt::format("{:<28}{:>12}\n", "bytes" + original, r.original_bytes);
  text += line("perplexity" + original, q.original_perplexity, "", 1, 4);
  text += line("perplexity increase", q.perplexity_increase, " %", 100, 3);
  text += line("KL divergence, mean", q.mean_kld, " nats", 1, 6);
  text += line("KL divergence, median", q.median_kld, " nats", 1, 6);
  text += line("KL divergence, 99%", q.kld_99, " nats", 1, 5);
  text += line("same most likely token", q.same_top, " %", 100, 3);
  return text;
}

// Its own options are those that its messages name.
Model open_original(const ModelSource& source) try { return Model(source); } catch (const Error& error) {
  std::string text = error.what();
  for (const auto& [of_model, of_original] :
       {std::pair<std::string, const char*>{"`drop`", "--against-drop"}, {"`adapter`", "--against-adapter"}})
    for (std::size_t at = 0; (at = text.find(of_model, at)) != text.npos;)
      text.replace(at, of_model.size(), of_original);
  throw Error(error.code(), std::move(text));
}

int run(EvalArguments o) {
  o.evaluate.machine = o.shared.machine();
  const StandardInput input({{"--text", &o.evaluate.text}});
  const EvaluateResult result = [&] {
    TerminalObserver observer(o.shared.verbosity());
    const Model model(o.model);
    if (o.against.path.empty()) {
      observer.expect({{"evaluate", 1}}, PhaseSeconds::kShares);
      return evaluate(model, o.evaluate, &observer);
    }
    observer.expect({{"evaluate", 1}, {"evaluate the original", 1}}, PhaseSeconds::kShares);
    return evaluate(model, open_original(o.against), o.evaluate, &observer);
  }();
  if (o.shared.json) {
    fmt::print("{}\n", result.json);
  } else {
    std::string text = table(o, result);
    for (const std::string& note : result.notes)
      text += fmt::format("note: {}\n", printable_line(with_input_name(note)));
    fmt::print("{}", fitted(text, columns_of_terminal(STDOUT_FILENO)));
  }
  return 0;
}

}  // namespace

Subcommand add_eval(CLI::App& program) {
  CLI::App* app = program.add_subcommand("eval", "Measure a model on a text, alone or against the original");
  const auto o = std::make_shared<EvalArguments>();
  app->add_option("MODEL", o->model.path, "The model to measure, or a package that compress wrote")
      ->type_name("PATH")
      ->required();
  app->add_option("--text", o->evaluate.text, "Text to measure on, which calibration and bounds have not seen")
      ->type_name("FILE")
      ->required();
  app->add_option("--against", o->against.path, "Compare with this original: what was lost, how often both agree")
      ->type_name("PATH");
  app->add_option("--adapter", o->model.adapter, "Merge this LoRA adapter (a folder of PEFT) into MODEL first")
      ->type_name("FOLDER");
  app->add_option("--against-adapter", o->against.adapter, "The same for the original")
      ->type_name("FOLDER")
      ->needs("--against");
  add_drop(*app, o->model.drop);
  add_drop(*app, o->against.drop, "--against-drop", "The same of the original")->needs("--against");
  app->add_option("--windows", o->evaluate.windows, "Windows of the text, at most; more are surer and slower (0: all)")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(0));
  app->add_option("--window-length", o->evaluate.window_length,
                  "Tokens of a window, of which the second half is scored")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(8, 1 << 20));
  add_shared(*app, o->shared);
  add_compute(*app, o->shared);
  add_max_memory(*app, o->shared, kHalfOfMemory);
  app->footer("Example: quern eval out --against models/llama-7m --text texts/eval.txt");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
