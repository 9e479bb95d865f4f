// The manifest held against itself, against the report that lies beside it, and against the names and headers of the
// package's tensors.
#pragma once

#include "checkpoint/checkpoint.h"
#include "package/verification.h"

namespace quern {

// Its own hash, the roles of files, hash of the source, plan and version as the report has them.
void check_manifest(Verification& v);

// Whether every name in the plan means something to this program; a problem for each that does not.
bool is_plan_known(Verification& v);

// Number formats and sizes of the package's tensors as planned; the first rows of each decode to finite values.
void check_tensors(Verification& v, const Checkpoint& package);

}  // namespace quern
