// Reading and matching the rules of a precision map.
#include "plan/precision_map.h"

#include <algorithm>

#include "base/fail.h"
#include "base/file.h"
#include "base/json.h"
#include "base/names.h"
#include "base/printable.h"
#include "codec/codec.h"
#include "optim/optimizer.h"

namespace quern {
namespace {

constexpr std::uint64_t kMaxMapBytes = std::uint64_t{1} << 20;
constexpr std::string_view kMembers[] = {"match", "codec", "optional", "optimizer"};

template <typename Known>
std::string did_you_mean(std::string_view given, const Known& known) {
  return fmt::format("did you mean {}?", nearest_names(given, std::vector<std::string>(known.begin(), known.end())));
}

void check_members(const Json& json) {
  for (const Json::Member& member : json.as_object())
    if (std::find(std::begin(kMembers), std::end(kMembers), member.first) == std::end(kMembers))
      fail(ErrorCode::kUsage, "a rule has no member \"{}\"; {}", member.first,
           did_you_mean(member.first, std::span(kMembers)));
}

const Codec& written_codec(const std::string& name) {
  if (const Codec* codec = row_named(codecs(), name)) return *codec;
  if (find_decoder(name)) fail(ErrorCode::kUsage, "the number format \"{}\" is only read, not written", name);
  fail(ErrorCode::kUsage, "there is no number format \"{}\"; {}", name, did_you_mean(name, names_of(codecs())));
}

// Of a rule's "codec". Error(kUsage) where it names several, to be applied one after another.
const Codec& codec_of(const Json& json) {
  const bool is_list = json.is_array();
  if (is_list || json.as_string().find_first_of("+,>|") != std::string::npos)
    fail(
        ErrorCode::kUsage,
        "a tensor has one number format, and {} names several: what one decodes to, in another, only adds up what both "
        "lose (docs/tasks/chain.md); name the one whose size suits",
        excerpt(dump_json(json)));
  return written_codec(json.as_string());
}

PrecisionRule parse_rule(const Json& json) {
  if (!json.is_object())
    fail(ErrorCode::kUsage, "a rule is an object such as {{\"match\": \"embed\", \"codec\": \"q8_0\"}}, not {}",
         excerpt(dump_json(json)));
  check_members(json);
  PrecisionRule rule(json.at("match").as_string(), codec_of(json.at("codec")).name);
  if (const Json* optional = json.find("optional")) rule.optional = optional->as_bool();
  if (const Json* optimizer = json.find("optimizer")) rule.optimizer = find_optimizer(optimizer->as_string()).name;
  return rule;
}

PrecisionMap parse(std::string_view text) {
  const Json json = parse_json(text);
  if (!json.is_array())
    fail(ErrorCode::kUsage, "a precision map is a list of rules: [{{\"match\": ..., \"codec\": ...}}, ...]");
  PrecisionMap map;
  for (const Json& rule : json.as_array())
    with_context(fmt::format("rule {} of the precision map", map.rules.size() + 1),
                 [&] { map.rules.push_back(parse_rule(rule)); });
  return map;
}

}  // namespace

PrecisionRule::PrecisionRule(std::string match_text, std::string codec_name)
    : match(std::move(match_text)), codec(std::move(codec_name)) {
  if (match.empty()) fail(ErrorCode::kUsage, "\"match\" is empty");
  pattern_.emplace(match);
}

MatchKind PrecisionRule::matches(std::span<const std::string_view> names) const {
  const auto is_meant = [&](std::string_view name) { return pattern_->matches(name); };
  if (std::none_of(names.begin(), names.end(), is_meant)) return MatchKind::kNone;
  return pattern_->is_name() ? MatchKind::kByName : MatchKind::kByPattern;
}

PrecisionMap parse_precision_map(std::string_view text) try {
  return parse(text);
} catch (const Error& error) {  // a map is a part of the command, not of the model
  if (error.code() != ErrorCode::kInput) throw;
  throw Error(ErrorCode::kUsage, error.what());
}

PrecisionMap read_precision_map(const std::filesystem::path& path) {
  const std::string text = read_text(path, kMaxMapBytes);
  PrecisionMap map = with_context("while reading " + path.string(), [&] { return parse_precision_map(text); });
  map.file = path.string();
  return map;
}

}  // namespace quern
