// The scripts for zsh and fish, whose completions carry a text beside each name.
#include <fmt/core.h>

#include "cli/completion.h"

namespace quern::cli {
namespace {

// Inside '...' of either shell; `special`: characters that take a backslash.
std::string quoted(std::string_view text, std::string_view special, std::string_view apostrophe) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += apostrophe;
      continue;
    }
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string for_zsh(std::string_view text) { return quoted(text, "\\:[]", "'\\''"); }
std::string for_fish(std::string_view text) { return quoted(text, "\\", "\\'"); }

std::string zsh_action(const OptionText& option) {
  switch (value_kind(option)) {
    case ValueKind::kChoices:
      return fmt::format("({})", CLI::detail::join(option.choices, " "));
    case ValueKind::kFile:
      return "_files";
    case ValueKind::kFolder:
      return "_files -/";
    case ValueKind::kNone:
      return "";
  }
  return "";
}

std::string zsh_argument(const OptionText& option) {
  const std::string value =
      option.value.empty() ? "" : fmt::format(":{}:{}", for_zsh(option.value), zsh_action(option));
  std::string lines;
  for (const std::string& name : option.names)
    lines += fmt::format(" \\\n        '{}[{}]{}'", name, for_zsh(option.text), value);
  return lines;
}

std::string zsh_case(const CommandText& program, const CommandText& sub) {
  std::string text = fmt::format("    {})\n      _arguments", own_name(program, sub));
  for (const OptionText& option : sub.options) text += zsh_argument(option);
  for (const OptionText& positional : sub.positionals)
    text += fmt::format(" \\\n        ':{}:{}'", for_zsh(positional.names[0]), zsh_action(positional));
  return text + " ;;\n";
}

std::string fish_option(const OptionText& option, const std::string& condition) {
  std::string line = fmt::format("complete -c quern -n '{}'", condition);
  for (const std::string& name : option.names)
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!option.value.empty()) line += value_kind(option) == ValueKind::kFile ? " -r -F" : " -x";
  if (value_kind(option) == ValueKind::kChoices)
    line += fmt::format(" -a '{}'", CLI::detail::join(option.choices, " "));
  if (value_kind(option) == ValueKind::kFolder) line += " -a '(__fish_complete_directories)'";
  return line + fmt::format(" -d '{}'\n", for_fish(option.text));
}

}  // namespace

std::string zsh_completion(const CommandText& program) {
  std::string text =
      "#compdef quern\n# zsh completion for quern; made by \"quern completion zsh\"\n_quern() {\n  local -a "
      "commands=(\n";
  for (const CommandText& sub : program.subcommands)
    text += fmt::format("    '{}:{}'\n", own_name(program, sub), for_zsh(sub.summary));
  text +=
      "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  shift words\n"
      "  (( CURRENT-- ))\n  case $words[1] in\n";
  for (const CommandText& sub : program.subcommands) text += zsh_case(program, sub);
  return text +
         "  esac\n}\nif [[ $funcstack[1] == _quern ]]; then\n  _quern \"$@\"\nelse\n  compdef _quern quern\nfi\n";
}

std::string fish_completion(const CommandText& program) {
  std::string text = "# fish completion for quern; made by \"quern completion fish\"\n";
  for (const CommandText& sub : program.subcommands)
    text += fmt::format("complete -c quern -n __fish_use_subcommand -f -a {} -d '{}'\n", own_name(program, sub),
                        for_fish(sub.summary));
  for (const OptionText& option : program.options) text += fish_option(option, "__fish_use_subcommand");
  for (const CommandText& sub : program.subcommands)
    for (const OptionText& option : sub.options)
      text += fish_option(option, "__fish_seen_subcommand_from " + own_name(program, sub));
  return text;
}

}  // namespace quern::cli
