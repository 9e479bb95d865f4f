// quern help [COMMAND]
#include <fmt/ranges.h>
#include <unistd.h>

#include <memory>

#include "base/fail.h"
#include "base/names.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace quern::cli {
namespace {

int run(const CLI::App& program, const std::string& command) {
  std::vector<std::string> known;
  if (command.empty()) {
    fmt::print("{}", help_text(describe(program), help_columns(STDOUT_FILENO)));
    return 0;
  }
  for (const CLI::App* sub : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (is_same_name(sub->get_name(), command)) {
      fmt::print("{}", help_text(describe(*sub), help_columns(STDOUT_FILENO)));
      return 0;
    }
    if (!sub->get_group().empty()) known.push_back(sub->get_name());
  }
  const std::vector<std::string> near = near_names(command, known);
  fail(ErrorCode::kUsage, "there is no command \"{}\"{}; quern --help lists them", command,
       near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, ", ")));
}

}  // namespace

Subcommand add_help(CLI::App& program) {
  CLI::App* app = program.add_subcommand("help", "Print the help of a command");
  const auto command = std::make_shared<std::string>();
  app->add_option("COMMAND", *command, "The command (default: quern itself)")->type_name("NAME");
  app->footer("Example: quern help compress")->group("");
  return {app, [&program, command] { return run(program, *command); }};
}

}  // namespace quern::cli
