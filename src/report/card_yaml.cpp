// A text in JSON's quotes is a text in YAML, but for characters that JSON takes as they are and YAML does not.
#include "report/card_yaml.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "format/formats.h"

namespace quern {
namespace {

constexpr const char* kCopied[] = {"license", "license_name", "license_link", "language", "pipeline_tag"};

// Between quotes YAML takes neither controls nor noncharacters, and folds other line ends; marks that turn the
// direction of a text are shown by their numbers. Source: YAML 1.2.2, 5.1 and 5.4.
constexpr std::pair<char32_t, char32_t> kEscaped[] = {{0x7f, 0x9f},     {0x200b, 0x200f}, {0x2028, 0x202e},
                                                      {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfffe, 0xffff}};

std::string quoted(const Json& text) {
  const std::string json = dump_json(text);  // UTF-8, whatever the text is
  std::string yaml;
  for (std::string_view left = json; !left.empty();) {
    const std::string_view part = left.substr(0, first_utf8_part(left).length);
    left.remove_prefix(part.size());
    // Of three bytes at most: all of the table.
    char32_t code = static_cast<unsigned char>(part[0]);
    if (part.size() == 2) code = (code & 0x1f) << 6 | (static_cast<unsigned char>(part[1]) & 0x3f);
    if (part.size() == 3)
      code = (code & 0x0f) << 12 | (static_cast<unsigned char>(part[1]) & 0x3fU) << 6 |
             (static_cast<unsigned char>(part[2]) & 0x3fU);
    const bool is_escaped =
        part.size() < 4 &&
        std::ranges::any_of(kEscaped, [&](const auto& range) { return range.first <= code && code <= range.second; });
    yaml += is_escaped ? fmt::format("\\u{:04x}", static_cast<unsigned>(code)) : std::string(part);
  }
  return yaml;
}

std::string scalar_or_list(const char* key, const Json& value) {
  if (value.is_string()) return fmt::format("{}: {}\n", key, quoted(value));
  if (value.as_array().empty()) return {};
  std::string text = fmt::format("{}:\n", key);
  for (const Json& item : value.as_array()) text += fmt::format("- {}\n", quoted(item));
  return text;
}

// Of a merged adapter, with the model that it was merged into as far as that is known.
std::string merged_models(const CardFacts& facts) {
  Json::Array models;
  const std::string& into = facts.hub_id.find('/') != std::string::npos ? facts.hub_id
                            : facts.adapter_base.empty()                ? facts.base
                                                                        : facts.adapter_base;
  if (!into.empty()) models.emplace_back(into);
  if (facts.adapter_is_on_hub()) models.emplace_back(facts.adapter);
  return models.empty() ? "" : scalar_or_list("base_model", models);
}

constexpr const char* kQuantized = "base_model_relation: quantized\n";

std::string base_model(const CardFacts& facts) {
  if (!facts.adapter.empty()) return merged_models(facts);
  if (facts.hub_id.find('/') != std::string::npos) return scalar_or_list("base_model", facts.hub_id) + kQuantized;
  if (const Json* named = facts.original.find("base_model")) {
    const Json* relation = facts.original.find("base_model_relation");
    return scalar_or_list("base_model", *named) + (relation && *relation == Json("quantized") ? kQuantized : "");
  }
  return facts.base.empty() ? "" : scalar_or_list("base_model", facts.base);
}

std::string tags(const CardFacts& facts, const Plan& plan) {
  std::vector<std::string> all{"quern", plan.format};
  if (const Json* old = facts.original.find("tags"))
    for (const Json& tag : old->is_array() ? old->as_array() : Json::Array{*old})
      if (std::ranges::find(all, tag.as_string()) == all.end()) all.push_back(tag.as_string());
  return scalar_or_list("tags", Json::Array(all.begin(), all.end()));
}

// The hub offers the code of a library that it knows.
const char* library_of(const Plan& plan) {
  const Format& format = find_format(plan.format);
  return format.loader(stored_tensors(plan)).command ? format.hub_library : "quern";
}

}  // namespace

std::string card_yaml(const CardFacts& facts, const Report& report) {
  const Plan& plan = report.ladder.back().plan;
  std::string text = "---\n";
  for (const char* key : kCopied)
    if (const Json* value = facts.original.find(key)) text += scalar_or_list(key, *value);
  if (!facts.original.find("pipeline_tag") && report.can_run) text += "pipeline_tag: \"text-generation\"\n";
  text += base_model(facts);
  if (report.can_run && facts.configuration == CardFacts::Part::kThere)
    text += fmt::format("library_name: {}\n", library_of(plan));
  return text + tags(facts, plan) + "---\n\n";
}

}  // namespace quern
