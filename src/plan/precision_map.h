// A person's rules for the number formats of single tensors: a JSON list, first match wins
// (docs/tasks/precision-map.md).
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/name_pattern.h"

namespace quern {

// How a rule asked for a tensor.
enum class MatchKind {
  kNone,
  kByName,     // the tensor's name or its role, written out
  kByPattern,  // a glob or a regular expression
};

class PrecisionRule {
 public:
  // Error(kUsage) when `match` is empty or a regular expression that cannot be read.
  PrecisionRule(std::string match, std::string codec);

  std::string match, codec;
  std::string optimizer;  // empty: as the plan would choose
  bool optional = false;  // may match nothing

  // Names of one tensor: in the source, in the package, and its role. A pattern must match one of them whole.
  MatchKind matches(std::span<const std::string_view> names) const;

 private:
  std::optional<NamePattern> pattern_;  // of `match`
};

struct PrecisionMap {
  std::vector<PrecisionRule> rules;
  std::string file;  // that it was read from, for messages; empty: none
};

// Error(kUsage) that names the rule when the text is no list of rules, or one has an unknown member, codec or
// optimizer.
PrecisionMap parse_precision_map(std::string_view text);
// The same of a file, at most a megabyte; Error(kInput) when it cannot be read.
PrecisionMap read_precision_map(const std::filesystem::path& path);

}  // namespace quern
