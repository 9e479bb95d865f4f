// The subcommands. Each adds itself to the program and runs when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace quern::cli {

// How a run ended: an exit code as quern/error.h documents them.
using Run = std::function<int()>;

struct Subcommand {
  CLI::App* app = nullptr;
  Run run;
};

// `line`: the command as it was typed, for the record.
Subcommand add_inspect(CLI::App& program);
Subcommand add_plan(CLI::App& program);
Subcommand add_compress(CLI::App& program, const std::string& line);
Subcommand add_eval(CLI::App& program);
Subcommand add_verify(CLI::App& program);
Subcommand add_run(CLI::App& program);
Subcommand add_bench(CLI::App& program);
// schemes, formats, architectures, codecs.
std::vector<Subcommand> add_lists(CLI::App& program);
// help, which the help does not list. REQUIRES: `program` outlives it.
Subcommand add_help(CLI::App& program);
// completion and man, which the help does not list. REQUIRES: `program` outlives them.
std::vector<Subcommand> add_documentation(CLI::App& program);

}  // namespace quern::cli
