// Scripts that complete command lines in a shell, from the same description as --help.
#pragma once

#include <string>
#include <vector>

#include "cli/command_text.h"

namespace quern::cli {

struct Shell {
  const char* name;
  const char* file;  // under the installation's share/
  std::string (*script)(const CommandText& program);
};

// bash, zsh, fish.
const std::vector<Shell>& shells();

// What completes the value of an option.
enum class ValueKind { kNone, kChoices, kFile, kFolder };
ValueKind value_kind(const OptionText& option);

// "compress" of "quern compress".
std::string own_name(const CommandText& program, const CommandText& sub);

std::string bash_completion(const CommandText& program);
std::string zsh_completion(const CommandText& program);
std::string fish_completion(const CommandText& program);

}  // namespace quern::cli
