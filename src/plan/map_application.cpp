// First match wins; what keeps its precision is only given few bits by name.
#include "plan/map_application.h"

#include "base/counted.h"
#include "base/fail.h"
#include "base/names.h"
#include "codec/codec.h"
#include "plan/weight_site.h"

namespace quern {
namespace {

constexpr double kKeptBits = 16;
constexpr double kNoticeableShare = 0.3;  // of the parameters, that no rule matched

double bits_of(const std::string& name) {
  const Codec* codec = find_codec(name);
  ensure(codec != nullptr, "no codec {}", name);
  return plain_codec(*codec).bits_per_weight;
}

std::uint64_t parameters_of(const Weight& weight) {
  const RowsOfWeight rows = rows_of(weight);
  return rows.rows * rows.cols;
}

}  // namespace

double PrecisionMapUse::unmatched_share() const {
  std::uint64_t all = unmatched_parameters;
  for (const RuleUse& rule : rules) all += rule.parameters;
  return all ? static_cast<double>(unmatched_parameters) / static_cast<double>(all) : 0;
}

MapApplication::MapApplication(const PrecisionMap& map)
    : map_(map), matched_(map.rules.size()), passed_over_(map.rules.size()) {
  for (const PrecisionRule& rule : map.rules) use_.rules.push_back({.match = rule.match, .codec = rule.codec});
}

bool MapApplication::passes_over(std::size_t r, const Weight& weight) {
  const PrecisionRule& rule = map_.rules[r];
  if (!keeps_precision(weight) || bits_of(rule.codec) >= kKeptBits) return false;
  if (weight.axes.size() >= 2)
    fail(ErrorCode::kUsage,
         "rule {} of the precision map (\"{}\") would put {} ({}) into {}; routers, convolutions, A_log and position "
         "tables keep 16 or 32 bits unless a rule names the tensor or its role: narrow the pattern, or put a rule "
         "{{\"match\": \"{}\", \"codec\": ...}} before it",
         r + 1, rule.match, weight.tensor, weight.role, rule.codec, weight.role);
  ++passed_over_[r];
  return true;
}

std::optional<std::size_t> MapApplication::rule_for(const Weight& weight, std::string_view output) {
  names_.insert(weight.tensor);
  names_.emplace(output);
  roles_.insert(weight.role);
  const std::string_view names[] = {weight.tensor, output, weight.role};
  std::optional<std::size_t> decides;
  for (std::size_t r = 0; r < map_.rules.size(); ++r) {
    const MatchKind kind = map_.rules[r].matches(names);
    if (kind == MatchKind::kNone) continue;
    ++matched_[r];
    if (decides || (kind == MatchKind::kByPattern && passes_over(r, weight))) continue;
    decides = r;
  }
  (decides ? use_.rules[*decides].tensors : use_.unmatched_tensors) += 1;
  (decides ? use_.rules[*decides].parameters : use_.unmatched_parameters) += parameters_of(weight);
  return decides;
}

void MapApplication::check_matched(std::size_t r) const {
  const PrecisionRule& rule = map_.rules[r];
  if (matched_[r] || rule.optional) return;
  std::vector<std::string> known(roles_.begin(), roles_.end());
  known.insert(known.end(), names_.begin(), names_.end());
  std::string near = nearest_names(rule.match, known);
  if (near.size() > 400) near = nearest_names(rule.match, std::vector<std::string>(roles_.begin(), roles_.end()));
  fail(
      ErrorCode::kUsage,
      "rule {} of the precision map (\"{}\") matches no tensor and no role of this model (near it: {}); correct it, or "
      "mark it \"optional\": true",
      r + 1, rule.match, near);
}

PrecisionMapUse MapApplication::finish(std::vector<std::string>& notes) const {
  for (std::size_t r = 0; r < map_.rules.size(); ++r) {
    check_matched(r);
    const PrecisionRule& rule = map_.rules[r];
    if (passed_over_[r])
      notes.push_back(
          fmt::format("rule {} of the precision map (\"{}\") passes over {} vectors: they take {} only by name", r + 1,
                      rule.match, passed_over_[r], rule.codec));
    else if (matched_[r] && !use_.rules[r].tensors)
      notes.push_back(fmt::format("rule {} of the precision map (\"{}\") decides nothing: earlier rules took its {}",
                                  r + 1, rule.match, counted(matched_[r], "tensor")));
  }
  if (use_.unmatched_share() > kNoticeableShare)
    notes.push_back(fmt::format("the precision map leaves {} with {:.0f}% of the parameters to the scheme",
                                counted(use_.unmatched_tensors, "tensor"), 100 * use_.unmatched_share()));
  return use_;
}

}  // namespace quern
