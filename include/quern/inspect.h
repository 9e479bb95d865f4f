// What a checkpoint is and what it holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quern/export.h"

namespace quern {

struct InspectOptions {
  std::uint64_t context = 0;  // tokens, for the estimate of memory; 0: what the model was made for
};

struct InspectedTensor {
  std::string name, encoding;
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;
};

struct InspectResult {
  std::string format;        // of its files
  std::string architecture;  // empty: none recognises it
  std::string why_unknown;   // why none does
  std::uint64_t parameters = 0, file_bytes = 0;
  std::vector<InspectedTensor> tensors;
  std::string summary;  // lines for a terminal
  std::string json;     // all that is known
};

// Takes what no architecture recognises, too. Error(kUsage) for an empty path, Error(kInput) when it cannot be read.
QUERN_API InspectResult inspect(const std::filesystem::path& path, const InspectOptions& options = {});

}  // namespace quern
