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

MapApplication::MapApplication(const PrecisionMap& map) : file_(map.file.empty() ? "" : " " + map.file) {
  for (const PrecisionRule& rule : map.rules)
    rules_.push_back({rule, rules_.size() + 1, 0, 0, {.match = rule.match, .codec = rule.codec}});
}

bool MapApplication::passes_over(AppliedRule& applied, const Weight& weight) const {
  const PrecisionRule& rule = applied.rule;
  if (!keeps_precision(weight) || bits_of(rule.codec) >= kKeptBits) return false;
  if (weight.axes.size() >= 2)
    fail(ErrorCode::kUsage,
         "rule {} of the precision map{} (\"{}\") would put {} ({}) into {}; routers, convolutions, A_log and position "
         "tables keep 16 or 32 bits unless a rule names the tensor or its role: narrow the pattern, or put a rule "
         "{{\"match\": \"{}\", \"codec\": ...}} before it",
         applied.number, file_, rule.match, weight.tensor, weight.role, rule.codec, weight.role);
  ++applied.passed_over;
  return true;
}

std::optional<std::size_t> MapApplication::rule_for(const Weight& weight, std::string_view output) {
  names_.insert(weight.tensor);
  names_.emplace(output);
  roles_.insert(weight.role);
  const std::string_view names[] = {weight.tensor, output, weight.role};
  AppliedRule* decides = nullptr;
  for (AppliedRule& applied : rules_) {
    const MatchKind kind = applied.rule.matches(names);
    if (kind == MatchKind::kNone) continue;
    ++applied.matched;
    if (decides || (kind == MatchKind::kByPattern && passes_over(applied, weight))) continue;
    decides = &applied;
  }
  (decides ? decides->use.tensors : unmatched_tensors_) += 1;
  (decides ? decides->use.parameters : unmatched_parameters_) += parameters_of(weight);
  return decides ? std::optional(decides->number - 1) : std::nullopt;
}

void MapApplication::check_matched(const AppliedRule& applied) const {
  const PrecisionRule& rule = applied.rule;
  if (applied.matched || rule.optional) return;
  std::vector<std::string> known(roles_.begin(), roles_.end());
  known.insert(known.end(), names_.begin(), names_.end());
  std::string near = nearest_names(rule.match, known);
  if (near.size() > 400) near = nearest_names(rule.match, std::vector<std::string>(roles_.begin(), roles_.end()));
  fail(ErrorCode::kUsage,
       "rule {} of the precision map{} (\"{}\") matches no tensor and no role of this model (near it: {}); correct it, "
       "or "
       "mark it \"optional\": true",
       applied.number, file_, rule.match, near);
}

PrecisionMapUse MapApplication::finish(std::vector<std::string>& notes) const {
  PrecisionMapUse use{
      .rules = {}, .unmatched_tensors = unmatched_tensors_, .unmatched_parameters = unmatched_parameters_};
  for (const AppliedRule& applied : rules_) {
    check_matched(applied);
    const PrecisionRule& rule = applied.rule;
    if (applied.passed_over)
      notes.push_back(
          fmt::format("rule {} of the precision map (\"{}\") passes over {} vectors: they take {} only by name",
                      applied.number, rule.match, applied.passed_over, rule.codec));
    else if (applied.matched && !applied.use.tensors)
      notes.push_back(fmt::format("rule {} of the precision map (\"{}\") decides nothing: earlier rules took its {}",
                                  applied.number, rule.match, counted(applied.matched, "tensor")));
    use.rules.push_back(applied.use);
  }
  if (use.unmatched_share() > kNoticeableShare)
    notes.push_back(fmt::format("the precision map leaves {} with {:.0f}% of the parameters to the scheme",
                                counted(use.unmatched_tensors, "tensor"), 100 * use.unmatched_share()));
  return use;
}

}  // namespace quern
