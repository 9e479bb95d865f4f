// The program: subcommands, and errors as sentences and exit codes.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "base/cpu.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/complaint.h"
#include "cli/failure.h"
#include "cli/field_flags.h"
#include "cli/help.h"
#include "cli/interrupts.h"
#include "cli/recorded_command.h"
#include "cli/standard_input.h"
#include "cli/standard_streams.h"
#include "quern/error.h"
#include "quern/version.h"

namespace quern::cli {
namespace {

// `line`: as add_compress takes it.
std::vector<Subcommand> add_all(CLI::App& program, const std::string& line) {
  std::vector<Subcommand> all{add_inspect(program), add_plan(program), add_compress(program, line), add_eval(program),
                              add_verify(program),  add_run(program),  add_bench(program)};
  for (Subcommand& list : add_lists(program)) all.push_back(std::move(list));
  for (Subcommand& page : add_documentation(program)) all.push_back(std::move(page));
  all.push_back(add_help(program));
  return all;
}

// As of a program that SIGPIPE ended: `quern schemes | head -1`.
constexpr int kReaderLeft = 141;

int run(const std::vector<Subcommand>& subcommands, AnswerForm form) {
  try {
    for (const Subcommand& subcommand : subcommands)
      if (subcommand.app->parsed()) {
        const int code = subcommand.run();
        if (std::fflush(stdout) != 0 && errno == EPIPE) return kReaderLeft;
        if (std::ferror(stdout))
          throw Error(ErrorCode::kResource, "the result could not be written to standard output");
        return code;
      }
    return static_cast<int>(ErrorCode::kUsage);
  } catch (const Error& error) {  // names of tensors are in it as the file spells them
    return say_failure(error.code(), printable_line(with_input_name(with_flags(error.what()))), form);
  } catch (const std::system_error& error) {  // a full disk behind stdout, a folder that may not be read
    if (error.code() == std::errc::broken_pipe) return kReaderLeft;
    return say_failure(ErrorCode::kResource, printable_line(error.what()), form);
  } catch (const std::bad_alloc&) {
    return say_failure(ErrorCode::kResource, "out of memory; lower --max-memory or close other programs", form);
  } catch (const std::exception& error) {
    return say_failure(ErrorCode::kInternal, fmt::format("internal error: {}", printable_line(error.what())), form);
  }
}

// An option that was given as nothing, as an unset variable of a shell does; empty: none. Texts may be empty.
std::string empty_option(const CLI::App& program) {
  for (const CLI::App* command : program.get_subcommands())
    for (const CLI::Option* option : command->get_options())
      if (option->get_type_name() != "TEXT")
        for (const std::string& value : option->results())
          if (value.empty()) return option->get_name();
  return {};
}

AnswerForm form_of(const std::vector<std::string>& arguments) {
  return std::ranges::find(arguments, "--json") == arguments.end() ? AnswerForm::kText : AnswerForm::kJson;
}

int main(const std::vector<std::string>& arguments, int argc, char** argv, const std::string& instructions) {
  CLI::App program("Makes a trained neural network smaller and proves what was lost", "quern");
  program.require_subcommand(1);
  program.formatter_fn([](const CLI::App* app, const std::string&, CLI::AppFormatMode) {
    return help_text(describe(*app), help_columns(STDOUT_FILENO));
  });
  program.set_help_flag("-h,--help", "This help");
  program.set_version_flag("--version", fmt::format("quern {} ({})", kVersion, instructions),
                           "The version, and the instructions of the processor that are used");
  program.footer(fmt::format(
      "{}\nExit codes: 0 ok, 1 internal, 2 usage, 3 input, 4 infeasible, 5 quality bound, 6 memory or disk, "
      "7 verification, 8 missing component, 130 interrupted.",
      kFirstExample));
  const std::vector<Subcommand> subcommands = add_all(program, recorded_command(arguments));
  const AnswerForm form = form_of(arguments);
  if (arguments.empty()) {
    tell("{}", short_usage(describe(program), help_columns(STDERR_FILENO)));
    return static_cast<int>(ErrorCode::kUsage);
  }
  if (const std::string word = unknown_command(program, arguments); !word.empty())
    return say_failure(ErrorCode::kUsage, complain_of_command(program, printable_line(word)), form);
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return program.exit(asked);
  } catch (const CLI::ParseError& error) {
    return say_failure(ErrorCode::kUsage, complain(program, error), form);
  }
  if (const std::string option = empty_option(program); !option.empty())
    return say_failure(ErrorCode::kUsage, fmt::format("{} was given nothing; leave it out or give it a value", option),
                       form);
  catch_interrupts();
  return run(subcommands, form);
}

int main(int argc, char** argv) {
  open_standard_streams();
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  std::string instructions;
  try {
    instructions = instruction_set();
  } catch (const Error& error) {  // the environment names none
    return say_failure(ErrorCode::kUsage, printable_line(with_flags(error.what())), form_of(arguments));
  }
  return main(arguments, argc, argv, instructions);
}

}  // namespace
}  // namespace quern::cli

int main(int argc, char** argv) { return quern::cli::main(argc, argv); }
