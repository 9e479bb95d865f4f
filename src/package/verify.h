// Does a package still hold what its manifest promises?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "quern/verify.h"

namespace quern {

// Hashes every file, reopens and decodes every tensor (sizes as planned, all values finite), and where the original is
// at hand
// (`original`, or the path in the manifest) measures the error of every `stride`-th tensor again: it must equal the
// recorded one to 1e-6 relative. Error(kVerification) only when there is no manifest to hold the package to.
VerifyResult verify(const std::filesystem::path& package, const std::filesystem::path& original, std::size_t stride,
                    const MachineOptions& machine, Observer& observer);

}  // namespace quern
