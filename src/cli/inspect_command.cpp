// quern inspect MODEL
#include <fmt/core.h>
#include <unistd.h>

#include <memory>

#include "apps/inspect.h"
#include "cli/commands.h"
#include "cli/field_flags.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/titled_text.h"

namespace quern::cli {
namespace {

struct InspectArguments {
  std::string model;
  InspectOptions inspect;
  bool json = false, tensors = false;
};

int run(const InspectArguments& o) {
  const Inspection inspection = inspect_checkpoint(o.model, o.inspect);
  const auto print = [](std::string_view text) { fmt::print("{}", text); };
  if (o.json) {
    write_json(inspection, 1, print);
    print("\n");
    return 0;
  }
  print(fitted(with_flags(describe(inspection)), columns_of_terminal(STDOUT_FILENO)));
  if (o.tensors) describe_tensors(inspection, print);
  return 0;
}

}  // namespace

Subcommand add_inspect(CLI::App& program) {
  CLI::App* app = program.add_subcommand("inspect", "Show what a checkpoint is and what it holds");
  const auto o = std::make_shared<InspectArguments>();
  app->add_option("MODEL", o->model,
                  "A Hugging Face folder, a .safetensors, .gguf, PyTorch, .npz or llama2.c file, or a package")
      ->type_name("PATH")
      ->required();
  app->add_option("--context", o->inspect.context,
                  "Estimate the memory for so many tokens (default: the model's context)")
      ->type_name("N")
      ->check(whole_number_from(1, 1 << 30));
  app->add_flag("--tensors", o->tensors, "List every tensor, with its number format and shape");
  app->add_flag("--json", o->json, "Print the result, or the error, as JSON");
  app->footer("Example: quern inspect models/llama-7m");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
