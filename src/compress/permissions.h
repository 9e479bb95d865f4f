// What a person has to ask for by name, since it is more often a mistake: a second quantization, a larger result, three
// values for weights that have many.
#pragma once

#include <string>
#include <vector>

#include "compress/opened.h"

namespace quern {

// Of a plan that was made before any work, or of the one that a size was shared out to. Error(kUsage) where it
// quantizes again what was quantized already or does damage (check_damage), Error(kInfeasible) where its files are
// larger than the source's, unless the options allow it. Larger is asked for by a size, and only matrices are looked
// at: what a container prescribes for vectors, headers and vocabularies is no choice.
void check_permissions(const Opened& opened, const Plan& plan);

// The same for the plan of the scheme, where the options leave its number formats to be chosen later: a size that takes
// less than the source has must quantize again. Damage is refused here in any case.
void check_permissions_early(const Opened& opened, const Plan& plan);

// The messages of check_permissions, for a plan that is only looked at.
std::vector<std::string> foretold_refusals(const Opened& opened, const Plan& plan);

// For people: that a plan quantizes again, and ternary_notes.
std::vector<std::string> permission_notes(const Opened& opened, const Plan& plan);

}  // namespace quern
