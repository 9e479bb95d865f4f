// --help.
#pragma once

#include <string>

#include "cli/command_text.h"

namespace quern::cli {

inline constexpr std::size_t kScreenColumns = 100;

// Common options first, the other groups behind them, the footer last; no line beyond `columns` as far as words allow.
std::string help_text(const CommandText& command, std::size_t columns = kScreenColumns);

inline constexpr const char* kFirstExample = "Example: quern compress models/llama-7m -o out --scheme q4_k_m";

// What `quern` alone says: the commands and an example.
std::string short_usage(const CommandText& program, std::size_t columns = kScreenColumns);

// Of the terminal, as far as lines of help should use it; kScreenColumns where there is none.
std::size_t help_columns(int descriptor);

}  // namespace quern::cli
