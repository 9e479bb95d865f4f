// A text in JSON's quotes is a text in YAML, whatever is in it.
#include "report/card_yaml.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "format/formats.h"

namespace quern {
namespace {

constexpr const char* kCopied[] = {"license", "license_name", "license_link", "language", "pipeline_tag"};

std::string scalar_or_list(const char* key, const Json& value) {
  if (value.is_string()) return fmt::format("{}: {}\n", key, dump_json(value));
  std::string text = fmt::format("{}:\n", key);
  for (const Json& item : value.as_array()) text += fmt::format("- {}\n", dump_json(item));
  return text;
}

std::string base_model(const CardFacts& facts) {
  if (facts.hub_id.find('/') != std::string::npos)
    return scalar_or_list("base_model", facts.hub_id) + "base_model_relation: quantized\n";
  if (const Json* named = facts.original.find("base_model")) return scalar_or_list("base_model", *named);
  return facts.base.empty() ? "" : scalar_or_list("base_model", facts.base);
}

std::string tags(const CardFacts& facts, const Plan& plan) {
  std::vector<std::string> all{"quern", plan.format};
  if (const Json* old = facts.original.find("tags"); old && old->is_array())
    for (const Json& tag : old->as_array())
      if (std::ranges::find(all, tag.as_string()) == all.end()) all.push_back(tag.as_string());
  return scalar_or_list("tags", Json::Array(all.begin(), all.end()));
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
    text += fmt::format("library_name: {}\n", find_format(plan.format).hub_library);
  return text + tags(facts, plan) + "---\n\n";
}

}  // namespace quern
