// What became of the four published methods in a search among all number formats, in a sentence.
#pragma once

#include <span>
#include <string>

#include "compress/opened.h"
#include "plan/step_options.h"

namespace quern {

// Which matrices of the plan have which of them, and what that is predicted to save beside the best other number
// formats of at most as many bytes; or that none has, and why. `options`: what the plan was chosen from.
std::string method_note(const Opened& opened, const Plan& plan, std::span<const StepOptions> options);

}  // namespace quern
