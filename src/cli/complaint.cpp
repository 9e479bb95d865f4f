// The nearest command or option, what is missing or too much. CLI11 says what it met by the type of its error, and
// which option it means at the beginning of its own sentence alone.
#include "cli/complaint.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/names.h"
#include "cli/command_text.h"

namespace quern::cli {
namespace {

std::vector<std::string> command_names(const CommandText& program) {
  std::vector<std::string> names;
  for (const CommandText& sub : program.subcommands) names.push_back(sub.name.substr(program.name.size() + 1));
  return names;
}

std::string did_you_mean(const std::string& given, const std::vector<std::string>& known) {
  const std::vector<std::string> near = near_names(given, known);
  return near.empty() ? "" : fmt::format("; did you mean {}?", CLI::detail::join(near, ", "));
}

bool is_option(const std::string& word) { return word.size() > 1 && word.front() == '-'; }

// The option that the line names and the command lacks; empty: none.
std::string unknown_option(const CLI::App& app) {
  const std::vector<std::string> left = app.remaining();
  const auto found = std::ranges::find_if(left, is_option);
  return found == left.end() ? "" : found->substr(0, found->find('='));
}

// The option that CLI11's sentence names first; null: it names none.
const CLI::Option* option_in(const CLI::App& app, std::string_view sentence) {
  const CLI::Option* first = nullptr;
  std::size_t front = sentence.npos;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    const std::size_t at = sentence.find(name), end = at + name.size();
    const bool is_whole =
        at != sentence.npos &&
        (end == sentence.size() || std::string_view(": =").find(sentence[end]) != std::string_view::npos);
    if (!is_whole || at >= front) continue;
    first = option;
    front = at;
  }
  return first;
}

std::string last_word(const std::string& sentence) { return sentence.substr(sentence.rfind(' ') + 1); }

std::string wrong_count(const CLI::Option& option) {
  const std::vector<std::string>& given = option.results();
  const std::string type = option.get_type_name(), name = option.get_name();
  if (given.size() < 2)
    return fmt::format("{} needs a value behind it: {} ({})", name, type.substr(0, type.find(':')),
                       option.get_description());
  std::vector<std::string> values;
  for (const std::string& value : given) values.push_back('"' + value + '"');
  return fmt::format("{} was given {} times, with {}; give it once", name, given.size(),
                     CLI::detail::join(values, " and "));
}

// In our words; empty: it is of a kind that has none.
std::string about_option(const CLI::Option& option, const CLI::ParseError& error) {
  const std::string name = option.get_name(), sentence = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return wrong_count(option);
  if (dynamic_cast<const CLI::RequiresError*>(&error))
    return fmt::format("{} goes with {}, which is missing", name, last_word(sentence));
  if (dynamic_cast<const CLI::ExcludesError*>(&error))
    return fmt::format("{} and {} cannot be given together; leave out one of them", name, last_word(sentence));
  if (dynamic_cast<const CLI::ConversionError*>(&error) && !option.results().empty())
    return fmt::format("{} takes a number, and \"{}\" is none that fits", name, option.results().back());
  return {};
}

std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
  const CommandText command = describe(app);
  if (const std::string option = unknown_option(app); !option.empty()) {
    std::vector<std::string> known;
    for (const OptionText& row : command.options) known.insert(known.end(), row.names.begin(), row.names.end());
    return fmt::format("{} has no option \"{}\"{}", command.name, option, did_you_mean(option, known));
  }
  for (const CLI::Option* option : app.get_options())
    if (option->get_required() && option->count() == 0 && dynamic_cast<const CLI::RequiredError*>(&error))
      return fmt::format("{} needs {} ({})", command.name, option->get_name(), option->get_description());
  if (const std::vector<std::string> left = app.remaining(); !left.empty())
    return fmt::format("\"{}\" is one argument too many for {}", left.front(), usage(command));
  if (const CLI::Option* option = option_in(app, error.what()))
    if (std::string text = about_option(*option, error); !text.empty()) return text;
  if (!command.subcommands.empty() && dynamic_cast<const CLI::RequiredError*>(&error))
    return fmt::format("no command was given; there are {}", CLI::detail::join(command_names(command), ", "));
  return error.what();
}

}  // namespace

std::string unknown_command(const CLI::App& program, const std::vector<std::string>& arguments) {
  if (arguments.empty() || is_option(arguments.front())) return {};
  const auto known = [&](const CLI::App* app) { return app->get_name() == arguments.front(); };
  return program.get_subcommands(known).empty() ? arguments.front() : std::string();
}

std::string complain_of_command(const CLI::App& program, const std::string& word) {
  const std::vector<std::string> known = command_names(describe(program));
  const std::string offer = did_you_mean(word, known);
  return fmt::format("there is no command \"{}\"{}\nquern --help lists the commands.", word,
                     offer.empty() ? fmt::format("; there are {}", CLI::detail::join(known, ", ")) : offer);
}

std::string complain(const CLI::App& program, const CLI::ParseError& error) {
  const auto chosen = program.get_subcommands();
  const CLI::App& app = chosen.empty() || !unknown_option(program).empty() ? program : *chosen.front();
  return fmt::format("{}\n{} --help says what it takes.", what_is_wrong(app, error), describe(app).name);
}

}  // namespace quern::cli
