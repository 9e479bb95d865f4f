// Command lines that cannot be used, said in words that help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace quern::cli {

// The first word of `arguments` (those behind the program's name) where it should be a command and is none; else empty.
std::string unknown_command(const CLI::App& program, const std::vector<std::string>& arguments);
// "there is no command "foo"; did you mean ...".
std::string complain_of_command(const CLI::App& program, const std::string& word);

// What is wrong with a command line that CLI11 refused with `error`, and where help is.
std::string complain(const CLI::App& program, const CLI::ParseError& error);

}  // namespace quern::cli
