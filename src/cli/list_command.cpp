// quern schemes, formats, layouts, architectures, codecs: the tables, one line a row.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "cli/command_text.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "codec/codec.h"
#include "format/formats.h"
#include "model/model_spec.h"
#include "packed/packed_layouts.h"
#include "plan/scheme.h"

namespace quern::cli {
namespace {

struct Column {
  const char* key;    // of the row's member
  const char* title;  // over the column on the terminal
};

// A table that people choose from.
struct Listing {
  const char* name;  // of the subcommand and of the array in its JSON
  const char* description;
  const char* remark;  // what the columns do not say; empty: nothing
  const char* use;     // where a name of the list goes
  std::vector<Column> columns;
  Json::Array (*rows)();
};

Json::Array scheme_rows() {
  Json::Array rows;
  for (const Scheme* scheme : schemes())
    rows.push_back(Json::object({{"name", scheme->name},
                                 {"bits_per_weight", find_codec(scheme->codec)->bits_per_weight},
                                 {"format", scheme->format},
                                 {"summary", scheme->summary}}));
  return rows;
}

Json names_held(const Format& format) {
  Json names = Json::array();
  for (const Codec* codec : codecs())
    if (format.is_written() && format.holds(codec->name, 0)) names.push_back(codec->name);
  return names;
}

Json::Array format_rows() {
  Json::Array rows;
  for (const Format* format : formats())
    rows.push_back(Json::object({{"name", format->name},
                                 {"read", format->is_read()},
                                 {"written", format->is_written()},
                                 {"loaded_by", format->loaded_by},
                                 {"summary", format->summary},
                                 {"codecs", names_held(*format)}}));
  return rows;
}

Json::Array layout_rows() {
  Json::Array rows;
  for (const PackedLayout& layout : packed_layouts())
    rows.push_back(Json::object({{"name", layout.name}, {"summary", layout.summary}}));
  return rows;
}

Json::Array architecture_rows() {
  Json::Array rows;
  for (const Architecture* row : architectures())
    rows.push_back(Json::object({{"name", row->name}, {"models", row->models}, {"summary", row->summary}}));
  return rows;
}

Json names_of_holders(const Codec& codec) {
  Json names = Json::array();
  for (const Format* format : formats())
    if (format->is_written() && format->holds(codec.name, 0)) names.push_back(format->name);
  return names;
}

Json::Array codec_rows() {
  Json::Array rows;
  for (const Codec* codec : codecs())
    rows.push_back(Json::object({{"name", codec->name},
                                 {"bits_per_weight", codec->bits_per_weight},
                                 {"block", codec->block},
                                 {"formats", names_of_holders(*codec)},
                                 {"summary", codec->summary}}));
  return rows;
}

std::vector<Listing> listings() {
  return {{"schemes",
           "List the named mixes of number formats",
           "bits: a weight of the matrices that the scheme makes no exception for",
           "quern compress MODEL -o OUT --scheme NAME",
           {{"name", "scheme"}, {"bits_per_weight", "bits"}, {"format", "written as"}, {"summary", "what it is"}},
           scheme_rows},
          {"formats",
           "List the kinds of model files, and who loads them",
           "",
           "quern compress MODEL -o OUT --format NAME",
           {{"name", "format"},
            {"read", "read"},
            {"written", "written"},
            {"summary", "what it is"},
            {"loaded_by", "who loads it"}},
           format_rows},
          {"layouts",
           "List the layouts of other programs' quantized models that are read",
           "recognised by the tensors that are there, in safetensors and in PyTorch's files",
           "quern inspect MODEL (names what it found)",
           {{"name", "layout"}, {"summary", "what it is"}},
           layout_rows},
          {"architectures",
           "List the families of models that can be run and measured",
           "models: published under that architecture; the README says which sizes were tried",
           "quern inspect MODEL (says which one a model has)",
           {{"name", "architecture"}, {"models", "models"}, {"summary", "what it is"}},
           architecture_rows},
          {"codecs",
           "List the number formats of single tensors",
           "bits: a weight, scales included",
           "\"codec\" in the rules of quern compress --precision-map",
           {{"name", "codec"}, {"bits_per_weight", "bits"}, {"formats", "held by"}, {"summary", "what it is"}},
           codec_rows}};
}

std::string cell(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "yes" : "no";
  if (value.is_number()) return fmt::format("{:.6g}", value.as_double());
  const auto written = std::ranges::count_if(formats(), [](const Format* format) { return format->is_written(); });
  if (value.as_array().size() == static_cast<std::size_t>(written)) return "every format";
  std::string names;
  for (const Json& name : value.as_array()) names += (names.empty() ? "" : ", ") + name.as_string();
  return names;
}

std::string table(const Listing& listing) {
  const Json::Array rows = listing.rows();
  std::vector<std::string> lines(rows.size() + 1);
  for (const Column& column : listing.columns) {
    const bool last = &column == &listing.columns.back();
    std::size_t width = std::string(column.title).size();
    for (const Json& row : rows) width = std::max(width, cell(row.at(column.key)).size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string text = i == 0 ? column.title : cell(rows[i - 1].at(column.key));
      lines[i] += last ? text : fmt::format("{:<{}}  ", text, width);
    }
  }
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// A name, and below it a paragraph for each other column.
std::string paragraphs(const Listing& listing, std::size_t columns) {
  constexpr std::size_t kIndent = 2, kLeast = 20;
  std::string text;
  for (const Json& row : listing.rows()) {
    text += cell(row.at(listing.columns.front().key)) + "\n";
    for (const Column& column : std::span(listing.columns).subspan(1))
      for (const std::string& line :
           wrapped(fmt::format("{}: {}", column.title, cell(row.at(column.key))), std::max(columns, kLeast) - kIndent))
        text += std::string(kIndent, ' ') + line + "\n";
  }
  return text;
}

// As a table where the terminal has room for it, or there is none.
std::string listing_text(const Listing& listing, std::optional<std::size_t> columns) {
  std::string text = table(listing);
  std::size_t widest = 0;
  for (const std::string& line : CLI::detail::split(text, '\n')) widest = std::max(widest, line.size());
  if (columns && widest > *columns) text = paragraphs(listing, *columns);
  text += *listing.remark ? fmt::format("\n{}\n", listing.remark) : "\n";
  return text + fmt::format("use: {}\n", listing.use);
}

Subcommand add_listing(CLI::App& program, const Listing& listing) {
  CLI::App* app = program.add_subcommand(listing.name, listing.description);
  const auto json = std::make_shared<bool>(false);
  app->add_flag("--json", *json, "Print the list, or the error, as JSON");
  app->footer(fmt::format("Example: quern {}", listing.name));
  return {app, [json, listing] {
            fmt::print("{}", *json ? dump_json(Json::object({{listing.name, listing.rows()}}), 1) + "\n"
                                   : listing_text(listing, columns_of_terminal(STDOUT_FILENO)));
            return 0;
          }};
}

}  // namespace

std::vector<Subcommand> add_lists(CLI::App& program) {
  std::vector<Subcommand> subcommands;
  for (const Listing& listing : listings()) subcommands.push_back(add_listing(program, listing));
  return subcommands;
}

}  // namespace quern::cli
