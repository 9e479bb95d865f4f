// Options that several subcommands share, and the spelling of sizes and percentages.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/terminal_observer.h"
#include "quern/machine_options.h"

namespace quern::cli {

struct SharedOptions {
  unsigned threads = 0;
  std::string compute = "auto", max_memory;
  bool json = false, quiet = false, verbose = false;

  MachineOptions machine() const;
  Verbosity verbosity() const {
    return quiet ? Verbosity::kQuiet : verbose ? Verbosity::kEveryStep : Verbosity::kNormal;
  }
};

// --threads, --json, --quiet, --verbose.
void add_shared(CLI::App& app, SharedOptions& options);
// --max-memory, for commands that keep to it; `standard` says what holds without it.
inline constexpr const char *kHalfOfMemory = "half of the machine's", *kNoLimit = "no limit";
CLI::Option* add_max_memory(CLI::App& app, SharedOptions& options, const char* standard);
// --drop, for commands that open an original.
CLI::Option* add_drop(CLI::App& app, std::vector<std::string>& patterns, const char* flag = "--drop",
                      const char* text = "Leave out tensors of this name, such as \"v_head.*\" (may be repeated)");
// --compute, for commands that multiply whole windows.
CLI::Option* add_compute(CLI::App& app, SharedOptions& options);

// "800MB" (10^6), "1GiB" (2^30), "4096". Error(kUsage) otherwise.
std::uint64_t parse_bytes(const std::string& text);
// "3%" or "0.03". Error(kUsage) otherwise, for negative values, and for a bare number of 1 or more, which is a
// forgotten %.
double parse_fraction(const std::string& text);
// "0.02". Error(kUsage) otherwise, and for negative values.
double parse_number(const std::string& text);
// The same above 0; "6x" or "6", at least 1.
double parse_positive(const std::string& text);
double parse_ratio(const std::string& text);

// Checks of options that count: whole numbers from `least` to `most`.
inline constexpr std::uint64_t kNoMost = UINT64_MAX;
CLI::Validator whole_number_from(std::uint64_t least, std::uint64_t most = kNoMost);
// One of these names, in any case; for CLI::Option::transform, which gives it the case that it has here.
CLI::Validator one_of(const std::vector<std::string>& names);

}  // namespace quern::cli
