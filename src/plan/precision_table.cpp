// Tables of number formats and of rules for the terminal.
#include "plan/precision_table.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/counted.h"
#include "base/printable.h"

namespace quern {
namespace {

const char* tensors(std::size_t count) { return count == 1 ? "tensor" : "tensors"; }

std::string rules_table(const Plan& plan) {
  const PrecisionMapUse& map = *plan.precision_map;
  std::uint64_t all = map.unmatched_parameters, matched = 0;
  std::size_t width = 0;
  for (const RuleUse& rule : map.rules) {
    all += rule.parameters;
    matched += rule.tensors;
    width = std::max(width, printable_line(rule.match).size());
  }
  const auto percent = [&](std::uint64_t parameters) {
    return all ? 100 * static_cast<double>(parameters) / static_cast<double>(all) : 0.0;
  };
  std::string text = fmt::format("Precision map: {} matched, {} with {:.1f}% of the parameters left to scheme {}\n",
                                 counted(matched, "tensor"), map.unmatched_tensors, percent(map.unmatched_parameters),
                                 printable_line(plan.scheme));
  for (std::size_t r = 0; r < map.rules.size(); ++r) {
    const RuleUse& rule = map.rules[r];
    text += fmt::format("  {:>3}  {:<{}}  {:<12}  {:>6} {:<7}  {:>5.1f}%\n", r + 1, printable_line(rule.match), width,
                        printable_line(rule.codec), rule.tensors, tensors(rule.tensors), percent(rule.parameters));
  }
  return text;
}

}  // namespace

std::vector<WidthShare> width_shares(const Plan& plan) {
  std::vector<WidthShare> shares;
  std::uint64_t all = 0;
  for (const PlanStep& step : plan.steps) {
    if (!step.parameters) continue;
    auto at = std::find_if(shares.begin(), shares.end(), [&](const WidthShare& s) { return s.codec == step.codec; });
    if (at == shares.end()) at = shares.insert(at, WidthShare{.codec = step.codec});
    at->tensors += 1;
    at->parameters += step.parameters;
    at->bytes += step.bytes;
    all += step.parameters;
  }
  for (WidthShare& share : shares) share.share = static_cast<double>(share.parameters) / static_cast<double>(all);
  std::sort(shares.begin(), shares.end(), [](const WidthShare& a, const WidthShare& b) {
    return a.bits() != b.bits() ? a.bits() > b.bits() : a.codec < b.codec;
  });
  return shares;
}

std::string precision_table(const Plan& plan) {
  std::string text = "Number formats, by share of the parameters\n";
  const std::vector<WidthShare> shares = width_shares(plan);
  std::size_t width = 0;
  for (const WidthShare& s : shares) width = std::max(width, s.codec.size());
  for (const WidthShare& s : shares)
    text += fmt::format("  {:<{}} {:>5.2f} bits {:>4} {:<7} {:>5.1f}%\n", printable_line(s.codec), width, s.bits(),
                        s.tensors, tensors(s.tensors), 100 * s.share);
  return plan.precision_map ? text + rules_table(plan) : text;
}

}  // namespace quern
