// Help that fits a screen.
#include "cli/help.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/terminal.h"

namespace quern::cli {
namespace {

// Where the second column begins; on a narrow terminal it is below the first.
struct Layout {
  std::size_t columns, text_column;
  bool is_narrow;
};

constexpr std::size_t kTextColumn = 29, kNarrowTextColumn = 6, kNarrow = 72, kLeastColumns = 30;

Layout layout_for(std::size_t columns) {
  if (columns >= kNarrow) return {columns, kTextColumn, false};
  return {std::max(columns, kLeastColumns), kNarrowTextColumn, true};
}

std::string paragraph(const std::string& text, const Layout& layout) {
  std::string lines;
  for (const std::string& line : wrapped(text, layout.columns)) lines += line + "\n";
  return lines;
}

std::string entry(const std::string& left, const std::string& right, const Layout& layout) {
  std::string text = "  " + left;
  if (layout.is_narrow) text += '\n';
  for (const std::string& line : wrapped(right, layout.columns - layout.text_column)) {
    if (text.back() != '\n' && text.size() + 1 > layout.text_column && text.find('\n') == std::string::npos)
      text += '\n';
    const std::size_t begun = text.size() - (text.find_last_of('\n') + 1);
    text += std::string(layout.text_column - begun, ' ') + line + "\n";
  }
  return text;
}

std::string option_entry(const OptionText& option, const Layout& layout) {
  return entry(spelling(option),
               option.standard.empty() ? option.text : fmt::format("{} [{}]", option.text, option.standard), layout);
}

std::string commands_of(const CommandText& program, const Layout& layout) {
  std::string text;
  for (const CommandText& sub : program.subcommands)
    text += entry(sub.name.substr(program.name.size() + 1), sub.summary, layout);
  return text;
}

}  // namespace

std::string help_text(const CommandText& command, std::size_t columns) {
  const Layout layout = layout_for(columns);
  std::string text = paragraph(command.summary + ".", layout) + paragraph("Usage: " + usage(command), layout) + "\n";
  if (!command.subcommands.empty()) text += commands_of(command, layout) + "\n";
  for (const OptionText& positional : command.positionals) text += entry(positional.names[0], positional.text, layout);
  for (const std::string& group : command.groups) {
    if (group != kCommonGroup) text += fmt::format("\n{}:\n", group);
    for (const OptionText& option : command.options)
      if (option.group == group) text += option_entry(option, layout);
  }
  if (command.footer.empty()) return text;
  text += "\n";
  for (const std::string& line : CLI::detail::split(command.footer, '\n')) text += paragraph(line, layout);
  return text;
}

std::string short_usage(const CommandText& program, std::size_t columns) {
  const Layout layout = layout_for(columns);
  return paragraph(program.summary + ".", layout) + paragraph("Usage: " + usage(program), layout) + "\n" +
         commands_of(program, layout) + "\n" + paragraph(kFirstExample, layout) +
         paragraph("More: quern help, quern help COMMAND", layout);
}

std::size_t help_columns(int descriptor) {
  return std::min(columns_of_terminal(descriptor).value_or(kScreenColumns), kScreenColumns);
}

}  // namespace quern::cli
