// Choosing number formats for a size: from measuring the model to the plan.
#pragma once

#include <vector>

#include "compress/compress_journal.h"
#include "compress/preparation.h"
#include "plan/size_search.h"
#include "survey/survey_design.h"

namespace quern {

// `count` windows spread evenly.
Windows spread(const Windows& from, std::size_t count);

// How matrices are measured on the gate text. REQUIRES: there is one, and it was read.
SurveyDesign survey_design(const Preparation& prep);

// What choosing for a size works with.
struct Sizing {
  Preparation& prep;
  std::filesystem::path scratch;       // folder for the files of a plan while they are measured; not there between them
  CompressJournal* journal = nullptr;  // knows what was measured, and keeps it; null: there is none
};

// What the steps of `plan` may become, measured on windows of the gate text.
std::vector<StepOptions> surveyed(const Sizing& sizing, const Plan& plan);

// Plans within `most` bytes that differ from `base` in their number formats. REQUIRES: the arguments outlive it.
SizeSearch size_search(Preparation& prep, const Plan& base, const std::vector<StepOptions>& options,
                       std::uint64_t most);

// The bytes that options.size allows. REQUIRES: it is set.
std::uint64_t most_bytes(const Preparation& prep);

}  // namespace quern
