// Which matrices a survey measures as one, and on how much text: settled before anything is measured.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/plan.h"

namespace quern {

inline constexpr std::size_t kSurveyWindows = 12;  // of gate text, on which the options of a size are measured, at most

using StepGroup = std::vector<std::size_t>;  // steps of a plan that are measured as one

struct SurveyLimits {
  std::size_t windows = kSurveyWindows, length = 0;  // of the text that is there: windows, and the tokens of each
  std::optional<std::size_t> passes;                 // groups at most; absent: by the model's size
};

struct SurveyDesign {
  std::vector<StepGroup> groups;
  std::size_t windows = 0;
  std::size_t bands = 0;   // runs of neighbouring layers whose matrices of one role are one group
  bool is_banded = false;  // false: every matrix by itself
};

// For the matrices of a plan that choose a number format. Each is a group by itself where that takes at most 5e13
// multiply-adds, of a mixture those of the experts that a token passes. Of larger models those of one role (attn.q,
// mlp.down ...) in a band of neighbouring layers are one group: as many bands as that allows, but 4 at least, on fewer
// windows if need be, but 4 at least. Tensors that are parts of one weight stay together. Error(kUsage) when `passes`
// is less than the model has roles.
SurveyDesign design_survey(const ModelSpec& spec, const ExportMap& names, const SurveyLimits& limits);

// Index of the first block that uses the weight.
std::size_t first_block_of(const ModelSpec& spec, std::size_t weight);

// Weights that a pass decodes from block `block` on (1: all layers), without the head's.
std::uint64_t weights_from(const ModelSpec& spec, std::size_t block);

}  // namespace quern
