// Encoding a plan, measuring what was written, and raising it until the bound holds.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compress/compression.h"

namespace quern {

// The original's scored rows on one text, computed when first needed.
class Reference {
 public:
  Reference(Compression& c, const Windows& windows, std::string stage);

  Quality quality_of(const OpenModel& candidate);

 private:
  Compression& c_;
  const Windows& windows_;
  std::string stage_;
  std::optional<ActivationStore> rows_;
};

struct Trials {
  std::vector<Trial> ladder;
  std::vector<EncodeError> errors;
  std::string folder;  // of the files of the last trial, within the output folder
  bool accepted = false;
};

// From `plan` on. Trials that the journal knows the outcome of are not encoded again.
Trials climb(Compression& c, Plan plan);

}  // namespace quern
