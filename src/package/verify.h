// Does a package still hold what its manifest promises?
#pragma once

#include "quern/verify.h"

namespace quern {

// Files against the hashes in the manifest, the manifest against itself, tensors against the plan, and where the
// original is at hand (`original`, or the path in the manifest) everything against that: verify_files.h,
// verify_manifest.h, verify_weights.h, verify_head.h. Goes on behind what it finds, so that all of it is told.
// Error(kVerification) only when there is no manifest to hold the package to.
VerifyResult verify_package(const VerifyOptions& options, Observer& observer);

}  // namespace quern
