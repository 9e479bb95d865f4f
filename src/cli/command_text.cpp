// From CLI11's objects to plain data.
#include "cli/command_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

namespace quern::cli {
namespace {

// The values in "NAME:{simple,q4_k_m}"; CLI::IsMember describes itself like this too.
std::vector<std::string> choices_of(const std::string& type) {
  const std::size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

OptionText option_text(const CLI::Option& option) {
  OptionText text;
  if (option.get_positional()) {
    text.names = {option.get_name(true)};
  } else {
    for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  }
  const std::string type = option.get_type_name();
  if (option.get_items_expected_max() > 0) text.value = type.substr(0, type.find(':'));
  text.text = option.get_description();
  text.standard = option.get_default_str();
  text.choices = choices_of(type);
  text.group = option.get_group();
  if (option.get_required()) text.need = OptionText::Need::kRequired;
  return text;
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() ? full_name(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

}  // namespace

CommandText describe(const CLI::App& app) {
  CommandText command{.name = full_name(app), .summary = app.get_description(), .footer = app.get_footer()};
  std::vector<OptionText> options;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty() || option == app.get_help_ptr()) continue;
    (option->get_positional() ? command.positionals : options).push_back(option_text(*option));
  }
  if (app.get_help_ptr()) options.push_back(option_text(*app.get_help_ptr()));
  command.groups = {kCommonGroup};
  for (const OptionText& option : options)
    if (std::ranges::find(command.groups, option.group) == command.groups.end()) command.groups.push_back(option.group);
  for (const std::string& group : command.groups)
    for (const OptionText& option : options)
      if (option.group == group) command.options.push_back(option);
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App* any) { return !any->get_group().empty(); }))
    command.subcommands.push_back(describe(*sub));
  return command;
}

CLI::Option* offer(CLI::Option* option, const std::vector<std::string>& choices) {
  return option->check(
      CLI::Validator([](std::string&) { return std::string(); }, "{" + CLI::detail::join(choices) + "}"));
}

std::string spelling(const OptionText& option) {
  const std::string names = CLI::detail::join(option.names, ",");
  return option.value.empty() ? names : names + " " + option.value;
}

std::string usage(const CommandText& command) {
  std::string text = command.name;
  for (const OptionText& positional : command.positionals)
    text += positional.need == OptionText::Need::kRequired ? " " + positional.names[0]
                                                           : fmt::format(" [{}]", positional.names[0]);
  for (const OptionText& option : command.options)
    if (option.need == OptionText::Need::kRequired) text += " " + option.names[0] + " " + option.value;
  return text + (command.subcommands.empty() ? " [OPTIONS]" : " COMMAND [OPTIONS]");
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

}  // namespace quern::cli
