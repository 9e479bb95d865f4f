// The list of schemes, and how a scheme chooses. A name that llama-quantize uses means the same choice of types here.
#include "base/fail.h"
#include "base/names.h"
#include "plan/scheme.h"

namespace quern {
namespace {

const char* first_that_holds(std::span<const SchemeRule> rules, const WeightSite& site) {
  for (const SchemeRule& rule : rules)
    if ((rule.part == Part::kAny || rule.part == site.part()) && (!rule.holds || rule.holds(site))) return rule.codec;
  return nullptr;
}

std::vector<const Scheme*> all_schemes() {
  std::vector<const Scheme*> all;
  for (const Scheme& scheme : preset_mixes()) all.push_back(&scheme);
  for (const Scheme& scheme : gguf_mixes()) all.push_back(&scheme);
  return all;
}

}  // namespace

const char* Scheme::codec_for(const WeightSite& site) const {
  const char* of_family = first_that_holds(family->first_rules, site);
  const char* own = of_family ? of_family : first_that_holds(rules, site);
  return own ? own : codec;
}

const char* Scheme::substitute_for(std::string_view wanted) const {
  for (const Substitute& row : family->substitutes)
    if (row.codec == wanted) return row.instead;
  return nullptr;
}

std::span<const Scheme* const> schemes() {
  static const std::vector<const Scheme*> all = all_schemes();
  return all;
}

const Scheme& find_scheme(std::string_view name) {
  if (const Scheme* scheme = row_named(schemes(), name)) return *scheme;
  fail(ErrorCode::kUsage, "there is no scheme \"{}\"; did you mean {}?", name,
       nearest_names(name, names_of(schemes())));
}

}  // namespace quern
