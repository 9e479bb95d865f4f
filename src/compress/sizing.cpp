// The survey on windows of the gate text, and the search over what it found.
#include "compress/sizing.h"

#include "plan/size_goal.h"
#include "survey/survey.h"

namespace quern {

Windows spread(const Windows& from, std::size_t count) {
  if (from.count() <= count) return from;
  Windows some{.length = from.length, .ids = {}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto window = from.window(i * from.count() / count);
    some.ids.insert(some.ids.end(), window.begin(), window.end());
  }
  return some;
}

SurveyDesign survey_design(const Preparation& prep) {
  const Windows& gate = *prep.texts.gate;
  return design_survey(prep.source.spec, prep.names, {gate.count(), gate.length, prep.options.survey_passes});
}

std::vector<StepOptions> surveyed(const Sizing& sizing, const Plan& plan) {
  Preparation& prep = sizing.prep;
  if (sizing.journal)
    if (auto known = sizing.journal->survey(plan)) return std::move(*known);
  const SurveyDesign design = survey_design(prep);
  const Windows windows = spread(*prep.texts.gate, design.windows);
  const EncodeInput input = prep.encode_input();
  std::vector<StepOptions> options = survey({input, plan, prep.format, design.groups, windows, prep.setup});
  if (sizing.journal) sizing.journal->add_survey(plan, options);
  return options;
}

SizeSearch size_search(Preparation& prep, const Plan& base, const std::vector<StepOptions>& options,
                       std::uint64_t most) {
  return {base,
          options,
          most,
          [&prep](const Plan& plan) { return prep.bytes_of(plan); },
          prep.source.file_bytes(),
          {&prep.format, prep.couplings}};
}

std::uint64_t most_bytes(const Preparation& prep) {
  return most_bytes(*prep.options.size, prep.source.parameters(), prep.source.file_bytes());
}

}  // namespace quern
