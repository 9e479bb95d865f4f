// Plans that a person kept, edited perhaps, and hands back: read, and held against the model that they are to be used
// on.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "plan/plan.h"

namespace quern {

// A plan as to_json writes it, alone or as the member "plan" of a manifest. Error(kInput) that says what is missing or
// of another kind.
Plan parse_plan(std::string_view text);
// The same of a file, at most 256 MB; the message names it.
Plan read_plan(const std::filesystem::path& path);

// `given` with the sizes of its tensors counted anew; where that shows that number formats were edited, with a note
// that says so in place of its own. `input`: what a plan for the same model is made from. Error(kInput) that names the
// tensor and the value: a plan for another checkpoint or container, steps that are not the model's, a number format or
// optimizer that does not exist or that the tensor cannot have, edits that give coupled matrices several number
// formats.
Plan checked_plan(const Plan& given, const PlanInput& input, const std::filesystem::path& path);

// Error(kInput) unless the plan was made with the statistics of these hashes (empty: with none).
void check_plan_statistics(const Plan& given, const StatisticsHashes& statistics, const std::filesystem::path& path);

}  // namespace quern
