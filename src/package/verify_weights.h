// Every weight of a package held against the original that it was made from.
#pragma once

#include <cstddef>

#include "package/package_statistics.h"
#include "package/verification.h"
#include "runtime/open_model.h"

namespace quern {

// A package and its original, opened.
struct ComparedModels {
  const OpenModel& original;
  const Checkpoint& package;
  const ExportMap& names;  // of the original in the package's container
  const PackageStatistics& statistics;
  // Whether a person named the original: what lies beside its own files is then what lay there.
  bool is_named = false;
};

// Every `stride`-th tensor of the plan, and all that are no weights. Bit for bit what encoding again gives, where that
// is known from the original and the package's statistics: all but codes that were chosen by Hessians. Of those, and of
// all others too, the recorded errors, which are sums in a fixed order, to their last bit. What another version
// recorded: to one part in a million, and nothing is encoded.
void compare_weights(Verification& v, const ComparedModels& models, std::size_t stride);

}  // namespace quern
