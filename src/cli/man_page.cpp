// One page a command.
#include "cli/man_page.h"

#include <fmt/core.h>

#include <algorithm>

#include "quern/version.h"

namespace quern::cli {
namespace {

// Text that troff prints as it is.
std::string escaped(std::string_view text) {
  std::string out = !text.empty() && (text.front() == '.' || text.front() == '\'') ? "\\&" : "";
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + escaped(text) + "\\fR"; }

std::string hyphenated(const std::string& name) {
  std::string out = name;
  std::ranges::replace(out, ' ', '-');
  return out;
}

std::string entry(const OptionText& option) {
  std::string names;
  for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + bold(name);
  if (!option.value.empty() && option.names[0].front() == '-') names += " " + italic(option.value);
  std::string text = escaped(option.text) + ".";
  if (option.need == OptionText::Need::kRequired) text += " Required.";
  if (!option.standard.empty()) text += fmt::format(" Default: {}.", escaped(option.standard));
  if (!option.choices.empty()) text += fmt::format(" One of: {}.", escaped(CLI::detail::join(option.choices, ", ")));
  return fmt::format(".TP\n{}\n{}\n", names, text);
}

std::string options_of(const CommandText& command) {
  std::string text = ".SH OPTIONS\n";
  for (const OptionText& positional : command.positionals) text += entry(positional);
  for (const std::string& group : command.groups) {
    if (group != kCommonGroup) text += fmt::format(".SS {}\n", escaped(group));
    for (const OptionText& option : command.options)
      if (option.group == group) text += entry(option);
  }
  return text;
}

std::string commands_of(const CommandText& program) {
  std::string text = ".SH COMMANDS\n";
  for (const CommandText& sub : program.subcommands)
    text += fmt::format(".TP\n\\fB{}\\fR(1)\n{}.\n", escaped(hyphenated(sub.name)), escaped(sub.summary));
  return text;
}

std::string example_of(const CommandText& command) {
  for (const std::string& line : CLI::detail::split(command.footer, '\n'))
    if (line.starts_with(kExample))
      return fmt::format(".SH EXAMPLES\n.nf\n{}\n.fi\n", escaped(line.substr(std::string_view(kExample).size())));
  return {};
}

std::string others(const CommandText& program, const CommandText& command) {
  std::string text;
  for (const CommandText& page : program.subcommands)
    if (page.name != command.name)
      text += fmt::format("{}\\fB{}\\fR(1)", text.empty() ? "" : ",\n", escaped(hyphenated(page.name)));
  if (command.name == program.name) return text;
  return fmt::format("\\fB{}\\fR(1),\n", escaped(program.name)) + text;
}

constexpr const char* kExitStatus =
    ".SH EXIT STATUS\n"
    "0 ok, 1 internal error, 2 usage, 3 input, 4 infeasible, 5 quality bound missed, 6 memory or disk, 7 verification "
    "failed, 8 missing component, 130 interrupted.\n";

}  // namespace

std::string man_page_name(const CommandText& command) { return hyphenated(command.name) + ".1"; }

std::string man_page(const CommandText& program, const CommandText& command) {
  const std::string name = hyphenated(command.name);
  std::string title = name;
  std::ranges::transform(title, title.begin(), [](unsigned char c) { return std::toupper(c); });
  std::string text = fmt::format(".TH {} 1 \"\" \"quern {}\" \"User Commands\"\n", escaped(title), kVersion);
  text += fmt::format(".SH NAME\n{} \\- {}\n", escaped(name), escaped(command.summary));
  text += fmt::format(".SH SYNOPSIS\n{}\n", bold(usage(command)));
  text += fmt::format(".SH DESCRIPTION\n{}.\n", escaped(command.summary));
  if (!command.subcommands.empty()) text += commands_of(command);
  text += options_of(command) + kExitStatus + example_of(command);
  return text + ".SH SEE ALSO\n" + others(program, command) + "\n";
}

}  // namespace quern::cli
