// What a command is, read from its CLI11 definition: the one source of --help, the manual pages and shell completion.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace quern::cli {

struct OptionText {
  enum class Need { kOptional, kRequired };
  std::vector<std::string> names;    // "-o", "--output"; of a positional "MODEL"
  std::string value;                 // what it takes, "FOLDER"; empty: nothing
  std::string text;                  // what it does
  std::string standard;              // the value without it; empty: said by the text, or none
  std::vector<std::string> choices;  // all values, where they can be listed
  std::string group;                 // kCommonGroup, or the heading that it stands under
  Need need = Need::kOptional;
};

inline constexpr const char* kCommonGroup = "Options";

struct CommandText {
  std::string name;  // "quern compress"
  std::string summary;
  std::vector<OptionText> positionals, options;  // options in the order of their groups
  std::vector<std::string> groups;               // of the options, the common one first
  std::string footer;                            // begins with kExample in a subcommand
  std::vector<CommandText> subcommands;          // without hidden ones
};

inline constexpr const char* kExample = "Example: ";

CommandText describe(const CLI::App& app);

// Puts these values, all that the option takes, into its description. The check stays with whoever reads the value.
CLI::Option* offer(CLI::Option* option, const std::vector<std::string>& choices);

// "-o,--output FOLDER".
std::string spelling(const OptionText& option);
// "quern compress MODEL -o FOLDER [OPTIONS]".
std::string usage(const CommandText& command);
// Lines of at most `width` columns, as far as words allow.
std::vector<std::string> wrapped(const std::string& text, std::size_t width);

}  // namespace quern::cli
