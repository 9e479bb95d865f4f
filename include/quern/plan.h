// What `compress` would make of a model: its exact size, and what is to be expected of it, without making it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quern/compress_options.h"
#include "quern/export.h"
#include "quern/observer.h"

namespace quern {

struct PlanOptions {
  CompressOptions compress;  // `output`, `existing` and `start` play no part
  // For a compression by the plan. Empty: nobody keeps them.
  std::filesystem::path statistics_copy;    // takes the importance matrix: enough where no codes are chosen by feedback
  std::filesystem::path statistics_folder;  // takes all statistics, in a new folder
};

// A prediction with the interval that is to be expected.
struct Interval {
  double value = 0, low = 0, high = 0;
};

// A point of the curve of size and quality.
struct PlannedSize {
  std::uint64_t bytes = 0;  // of the model's files
  Interval mean_kld, perplexity;
};

struct PlannedTensor {
  std::string name, codec, reason;
  std::uint64_t bytes = 0;
};

struct PlanResult {
  std::string architecture;
  std::uint64_t parameters = 0, source_bytes = 0;
  std::uint64_t model_bytes =
      0;  // of what a runtime needs; exact, but for formats whose size is measured (a note says so)
  std::optional<PlannedSize> expected;        // of the plan; absent without a text
  std::vector<PlannedSize> alternatives;      // rising in bytes, the plan among them
  std::uint64_t memory_to_compress = 0;       // bytes at most
  std::optional<double> seconds_to_compress;  // absent: the model does not let it be measured
  std::vector<PlannedTensor> tensors;
  std::vector<std::string> notes;
  std::string json;  // the plan, as CompressOptions::plan reads it from a file
};

// Measures as compress would, so that the plan is the one that compress would make. Writes nothing but
// `statistics_copy`, `statistics_folder` and scratch files in the system's folder for them.
QUERN_API PlanResult plan(const PlanOptions& options, Observer* observer = nullptr);

}  // namespace quern
