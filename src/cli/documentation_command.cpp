// quern completion SHELL, quern man [COMMAND]: what packages and shells need, for those who install the program.
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>

#include "base/fail.h"
#include "base/file.h"
#include "base/names.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/man_page.h"

namespace quern::cli {
namespace {

namespace fs = std::filesystem;

int print_completion(const CLI::App& program, const std::string& name) {
  std::vector<std::string> known;
  for (const Shell& shell : shells()) {
    if (shell.name == name) {
      fmt::print("{}", shell.script(describe(program)));
      return 0;
    }
    known.emplace_back(shell.name);
  }
  fail(ErrorCode::kUsage, "there is no completion for \"{}\"; there is for {}", name, CLI::detail::join(known, ", "));
}

std::vector<CommandText> pages(const CommandText& program) {
  std::vector<CommandText> all{program};
  all.insert(all.end(), program.subcommands.begin(), program.subcommands.end());
  return all;
}

int print_man_page(const CLI::App& app, const std::string& command) {
  const CommandText program = describe(app);
  const std::string wanted = command.empty() ? program.name : program.name + " " + command;
  std::vector<std::string> known;
  for (const CommandText& page : pages(program)) {
    if (page.name == wanted) {
      fmt::print("{}", man_page(program, page));
      return 0;
    }
    if (page.name != program.name) known.push_back(page.name.substr(program.name.size() + 1));
  }
  const std::vector<std::string> near = near_names(command, known);
  fail(ErrorCode::kUsage, "there is no manual page of \"{}\"{}; quern --help lists the commands", command,
       near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, ", ")));
}

void write(const fs::path& path, const std::string& text) {
  make_folder(path.parent_path());
  OutputFile file(path);
  file.write(text);
  file.finish();
}

// As below the share/ of an installation.
int write_all(const CLI::App& app, const fs::path& folder) {
  const CommandText program = describe(app);
  for (const CommandText& page : pages(program))
    write(folder / "man" / "man1" / man_page_name(page), man_page(program, page));
  for (const Shell& shell : shells()) write(folder / shell.file, shell.script(program));
  return 0;
}

}  // namespace

std::vector<Subcommand> add_documentation(CLI::App& program) {
  CLI::App* completion =
      program.add_subcommand("completion", "Print the script that completes command lines in a shell");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("SHELL", *shell, "bash, zsh or fish")->type_name("NAME")->required();
  completion->footer("Example: source <(quern completion bash)")->group("");
  CLI::App* man = program.add_subcommand("man", "Print a manual page");
  const auto command = std::make_shared<std::string>();
  const auto folder = std::make_shared<fs::path>();
  man->add_option("COMMAND", *command, "The command (default: quern itself)")->type_name("NAME");
  man->add_option("--write-all", *folder, "Write all pages and completions as below the share/ of an installation")
      ->type_name("FOLDER");
  man->footer("Example: quern man compress | man -l -")->group("");
  return {{completion, [&program, shell] { return print_completion(program, *shell); }},
          {man, [&program, command, folder] {
             return folder->empty() ? print_man_page(program, *command) : write_all(program, *folder);
           }}};
}

}  // namespace quern::cli
