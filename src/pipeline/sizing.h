// Choosing number formats for a size: from measuring the model to the plan.
#pragma once

#include <vector>

#include "pipeline/compress_journal.h"
#include "pipeline/preparation.h"
#include "pipeline/size_search.h"

namespace quern {

inline constexpr std::size_t kSurveyWindows = 12;  // of gate text, on which the options of a size are measured

// `count` windows spread evenly.
Windows spread(const Windows& from, std::size_t count);

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
