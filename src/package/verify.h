// Does a package still hold what its manifest promises?
#pragma once

#include "quern/verify.h"

namespace quern {

// Hashes every file, reopens and decodes every tensor (sizes as planned, all values finite), and where the original is
// at hand (`original`, or the path in the manifest) measures the error of every `stride`-th tensor again: it must equal
// the recorded one to 1e-6 relative. Error(kVerification) only when there is no manifest to hold the package to.
VerifyResult verify_package(const VerifyOptions& options, Observer& observer);

}  // namespace quern
