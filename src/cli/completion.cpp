// The table of shells, and the script for bash.
#include "cli/completion.h"

#include <fmt/core.h>

namespace quern::cli {
std::string own_name(const CommandText& program, const CommandText& sub) {
  return sub.name.substr(program.name.size() + 1);
}

namespace {

// The words that follow a command: its options, and what its positional takes.
std::string bash_case(const CommandText& program, const CommandText& sub) {
  const std::string name = own_name(program, sub);
  std::string text, flags;
  for (const OptionText& option : sub.options) {
    std::string pattern;
    for (const std::string& spelled : option.names) {
      pattern += fmt::format("{}\"{} {}\"", pattern.empty() ? "" : "|", name, spelled);
      flags += (flags.empty() ? "" : " ") + spelled;
    }
    if (option.value.empty()) continue;
    switch (value_kind(option)) {
      case ValueKind::kChoices:
        text +=
            fmt::format("    {}) _quern_words \"{}\"; return ;;\n", pattern, CLI::detail::join(option.choices, " "));
        break;
      case ValueKind::kFile:
        text += fmt::format("    {}) _quern_paths -f; return ;;\n", pattern);
        break;
      case ValueKind::kFolder:
        text += fmt::format("    {}) _quern_paths -d; return ;;\n", pattern);
        break;
      case ValueKind::kNone:
        text += fmt::format("    {}) return ;;\n", pattern);
        break;
    }
  }
  const std::string words =
      fmt::format("    \"{} \"*) [[ $cur == -* ]] && {{ _quern_words \"{}\"; return; }} ;;\n", name, flags);
  return text + words;
}

constexpr const char* kBashHead = R"(# bash completion for quern; made by "quern completion bash"
_quern_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_quern_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}
_quern() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  COMPREPLY=()
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $prev == "=" ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
)";

}  // namespace

const std::vector<Shell>& shells() {
  static const std::vector<Shell> kShells{{"bash", "bash-completion/completions/quern", bash_completion},
                                          {"zsh", "zsh/site-functions/_quern", zsh_completion},
                                          {"fish", "fish/vendor_completions.d/quern.fish", fish_completion}};
  return kShells;
}

ValueKind value_kind(const OptionText& option) {
  if (!option.choices.empty()) return ValueKind::kChoices;
  if (option.value == "FILE" || option.value == "PATH") return ValueKind::kFile;
  return option.value == "FOLDER" ? ValueKind::kFolder : ValueKind::kNone;
}

std::string bash_completion(const CommandText& program) {
  std::string commands, flags, text = kBashHead;
  for (const CommandText& sub : program.subcommands) commands += (commands.empty() ? "" : " ") + own_name(program, sub);
  for (const OptionText& option : program.options)
    for (const std::string& name : option.names) flags += " " + name;
  text +=
      fmt::format("  if [[ $COMP_CWORD -eq 1 ]]; then\n    _quern_words \"{}{}\"\n    return\n  fi\n", commands, flags);
  text += "  case \"$command $prev\" in\n";
  for (const CommandText& sub : program.subcommands) text += bash_case(program, sub);
  return text + "  esac\n  _quern_paths -f\n}\ncomplete -F _quern quern\n";
}

}  // namespace quern::cli
