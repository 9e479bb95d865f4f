// quern run MODEL --prompt TEXT
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "apps/generate.h"
#include "base/counted.h"
#include "base/file.h"
#include "base/json.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/standard_input.h"
#include "cli/standard_streams.h"
#include "quern/error.h"

namespace quern::cli {
namespace {

struct RunArguments {
  ModelSource model;
  GenerateOptions generate;
  std::filesystem::path prompt_file;
  SharedOptions shared;
};

double rate(std::size_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }

Json to_json(const GenerateResult& g) {
  return Json::object({{"text", g.text},
                       {"end", to_string(g.end)},
                       {"prompt_tokens", g.prompt_tokens},
                       {"tokens", g.tokens},
                       {"load_seconds", g.load_seconds},
                       {"prompt_seconds", g.prompt_seconds},
                       {"seconds", g.seconds}});
}

int run(RunArguments o) {
  o.generate.machine = o.shared.machine();
  const StandardInput input({{"--prompt-file", &o.prompt_file}});
  if (!o.prompt_file.empty()) o.generate.prompt = read_text(o.prompt_file);
  TerminalObserver observer(o.shared.verbosity());
  const bool stream = !o.shared.json, to_terminal = ::isatty(STDOUT_FILENO) == 1;
  PrintablePieces lines;
  const GenerateResult g = generate(
      Model(o.model), o.generate,
      [&](std::string_view text) {
        if (!stream) return;
        fmt::print("{}", to_terminal ? lines.next(text) : std::string(text));
        std::fflush(stdout);
      },
      &observer);
  if (!stream) {
    fmt::print("{}\n", dump_json(to_json(g), 1));
    return 0;
  }
  fmt::print("\n");
  if (!o.shared.quiet)
    tell("{}: {} at {:.1f} a second, {} at {:.1f} a second, loaded in {:.2f} s\n", to_string(g.end),
         counted(g.prompt_tokens, "prompt token"), rate(g.prompt_tokens, g.prompt_seconds), counted(g.tokens, "token"),
         rate(g.tokens, g.seconds), g.load_seconds);
  return 0;
}

}  // namespace

Subcommand add_run(CLI::App& program) {
  CLI::App* app = program.add_subcommand("run", "Generate text, token by token");
  const auto o = std::make_shared<RunArguments>();
  SamplingOptions& sampling = o->generate.sampling;
  app->add_option("MODEL", o->model.path, "The model to run, or a package that compress wrote")
      ->type_name("PATH")
      ->required();
  app->add_option("--adapter", o->model.adapter, "Merge this LoRA adapter (a folder of PEFT) into the model first")
      ->type_name("FOLDER");
  add_drop(*app, o->model.drop);
  auto* prompt = app->add_option("-p,--prompt", o->generate.prompt, "Text to go on from")->type_name("TEXT");
  app->add_option("--prompt-file", o->prompt_file, "The same from a file (-: standard input)")
      ->type_name("FILE")
      ->excludes(prompt);
  app->add_option("-n,--tokens", o->generate.tokens, "Generate at most so many tokens")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("--context", o->generate.context,
                  "Room for prompt and answer, in tokens (0: the model's, up to 4096)")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("--temperature", sampling.temperature,
                  "How freely tokens are chosen (0: always the most probable one)")
      ->type_name("X")
      ->capture_default_str();
  app->add_option("--top-k", sampling.top_k, "Choose among the k most probable tokens only (0: all)")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("--top-p", sampling.top_p, "Choose among the most probable tokens that together reach p only")
      ->type_name("P")
      ->capture_default_str();
  app->add_option("--min-p", sampling.min_p, "Leave out tokens less probable than p times the most probable")
      ->type_name("P")
      ->capture_default_str();
  app->add_option("--seed", sampling.seed, "Another seed gives another text, the same seed the same")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->capture_default_str();
  app->add_option("--stop", o->generate.stops, "Stop before this text (may be repeated)")->type_name("TEXT");
  add_shared(*app, o->shared);
  add_max_memory(*app, o->shared, kNoLimit);
  app->footer("Example: quern run build/demo/llama-7m-q4_k_m --prompt \"The history of\" --tokens 40");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
