// Steps of a plan in a format of three values: lossless for what was trained so, the ruin of what was not.
#pragma once

#include <string>
#include <vector>

#include "compress/opened.h"
#include "plan/output_tensor.h"

namespace quern {

// Whether the step gives a matrix that has three values (find_ternary) a format that has them: nothing is rounded but,
// to binary16, its scale.
bool keeps_three_values(const Opened& opened, const OutputTensor& tensor);

// Error(kUsage) where the plan gives a matrix that was not trained to have three values a format that has no others,
// unless the options allow it. The message says what the matrices lose, measured on some of their rows, and what to
// take instead.
void check_damage(const Opened& opened, const Plan& plan);

// The same for people, where it was allowed; and of matrices that have three values, how exactly their scales come
// back. Empty: the plan has no such step.
std::vector<std::string> ternary_notes(const Opened& opened, const Plan& plan);

}  // namespace quern
