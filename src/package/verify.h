// Does a package still hold what its manifest promises?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "quern/observer.h"
#include "quern/machine_options.h"

namespace quern {

struct VerifyResult {
  std::uint64_t files = 0, tensors = 0;  // checked
  std::uint64_t compared = 0;            // tensors whose error against the original was measured again
  std::string original;                  // where the original was found; empty: not at hand
  std::vector<std::string> problems;     // empty: all is well
};

// Hashes every file, reopens and decodes every tensor (sizes as planned, all values finite), and where the original is
// at hand
// (`original`, or the path in the manifest) measures the error of every `stride`-th tensor again: it must equal the
// recorded one to 1e-6 relative. Error(kVerification) only when there is no manifest to hold the package to.
VerifyResult verify(const std::filesystem::path& package, const std::filesystem::path& original, std::size_t stride,
                    const MachineOptions& machine, Observer& observer);

}  // namespace quern
