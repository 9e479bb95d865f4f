// Help that fits a screen.
#include "cli/help.h"

#include <fmt/core.h>

namespace quern::cli {
namespace {

constexpr std::size_t kTextColumn = 29;  // where the second column begins

std::string entry(const std::string& left, const std::string& right) {
  std::string text = "  " + left;
  for (const std::string& line : wrapped(right, kScreenColumns - kTextColumn)) {
    if (text.back() != '\n' && text.size() + 1 > kTextColumn && text.find('\n') == std::string::npos) text += '\n';
    const std::size_t begun = text.size() - (text.find_last_of('\n') + 1);
    text += std::string(kTextColumn - begun, ' ') + line + "\n";
  }
  return text;
}

std::string option_entry(const OptionText& option) {
  return entry(spelling(option),
               option.standard.empty() ? option.text : fmt::format("{} [{}]", option.text, option.standard));
}

std::string commands_of(const CommandText& program) {
  std::string text;
  for (const CommandText& sub : program.subcommands)
    text += entry(sub.name.substr(program.name.size() + 1), sub.summary);
  return text;
}

}  // namespace

std::string help_text(const CommandText& command) {
  std::string text = fmt::format("{}.\nUsage: {}\n\n", command.summary, usage(command));
  if (!command.subcommands.empty()) text += commands_of(command) + "\n";
  for (const OptionText& positional : command.positionals) text += entry(positional.names[0], positional.text);
  for (const std::string& group : command.groups) {
    if (group != kCommonGroup) text += fmt::format("\n{}:\n", group);
    for (const OptionText& option : command.options)
      if (option.group == group) text += option_entry(option);
  }
  if (command.footer.empty()) return text;
  text += "\n";
  for (const std::string& line : CLI::detail::split(command.footer, '\n'))
    for (const std::string& part : wrapped(line, kScreenColumns)) text += part + "\n";
  return text;
}

std::string short_usage(const CommandText& program) {
  return fmt::format("{}.\nUsage: {}\n\n{}\n{}\nMore: quern --help, quern COMMAND --help\n", program.summary,
                     usage(program), commands_of(program), kFirstExample);
}

}  // namespace quern::cli
