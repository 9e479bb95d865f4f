// Does a package still hold what its manifest promises?
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quern/export.h"
#include "quern/machine_options.h"
#include "quern/observer.h"

namespace quern {

struct VerifyOptions {
  std::filesystem::path package;
  std::filesystem::path original;  // empty: where it was when the package was made
  std::filesystem::path adapter;   // the LoRA folder that was merged into the original's weights; empty: none
  std::size_t stride = 1;          // every n-th tensor is compared with the original; 1: all
  MachineOptions machine;
};

struct VerifyResult {
  std::uint64_t files = 0, tensors = 0;  // checked
  std::uint64_t compared = 0;            // tensors that were compared with the original
  std::string original;                  // where the original was found; empty: not at hand
  std::vector<std::string> problems;     // empty: nothing speaks against it
  // What could not be held to the original, which was at hand: another version wrote the package, and this one writes
  // something else there. Both empty: all is well.
  std::vector<std::string> unproven;
};

// Hashes every file, holds the manifest against the package, and everything against the original where that is at hand.
// Error(kVerification) only when there is no manifest to hold the package to.
QUERN_API VerifyResult verify(const VerifyOptions& options, Observer* observer = nullptr);

}  // namespace quern
