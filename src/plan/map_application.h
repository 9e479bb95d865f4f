// A precision map laid over the weights of one model: which rule decides each, and what every rule caught.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "model/model_spec.h"
#include "plan/precision_map.h"

namespace quern {

struct RuleUse {
  std::string match, codec;
  std::uint64_t tensors = 0, parameters = 0;  // that it decided

  bool operator==(const RuleUse&) const = default;
};

struct PrecisionMapUse {
  std::vector<RuleUse> rules;
  std::uint64_t unmatched_tensors = 0, unmatched_parameters = 0;  // left to the scheme

  double unmatched_share() const;  // of the parameters
  bool operator==(const PrecisionMapUse&) const = default;
};

class MapApplication {
 public:
  // REQUIRES: the map outlives this.
  explicit MapApplication(const PrecisionMap& map);

  // The index of the first rule that matches the weight, or nothing: the scheme decides. A pattern with fewer than 16
  // bits passes over vectors that keeps_precision(); Error(kUsage) when it catches such a matrix (a router).
  std::optional<std::size_t> rule_for(const Weight& weight, std::string_view output);

  // After all weights: what to tell a person, appended to `notes`. Error(kUsage) with the nearest names when a rule
  // that is not optional matched nothing.
  PrecisionMapUse finish(std::vector<std::string>& notes) const;

 private:
  // A rule of the map, and what it did.
  struct AppliedRule {
    const PrecisionRule& rule;
    std::size_t number = 0;                      // from 1, for people
    std::uint64_t matched = 0, passed_over = 0;  // tensors
    RuleUse use;
  };

  bool passes_over(AppliedRule& applied, const Weight& weight) const;
  void check_matched(const AppliedRule& applied) const;

  std::string file_;  // of the map, with a space before it; empty: none
  std::vector<AppliedRule> rules_;
  std::uint64_t unmatched_tensors_ = 0, unmatched_parameters_ = 0;
  std::set<std::string> names_, roles_;  // of the model, to offer the nearest
};

}  // namespace quern
