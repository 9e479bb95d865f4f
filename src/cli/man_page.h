// Manual pages in man(7), from the same description as --help.
#pragma once

#include <string>

#include "cli/command_text.h"

namespace quern::cli {

// Of the program: its commands; of a command: its options. The same bytes for the same version: no date.
std::string man_page(const CommandText& program, const CommandText& command);

// "quern-compress.1".
std::string man_page_name(const CommandText& command);

}  // namespace quern::cli
