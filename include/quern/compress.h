// The main job: a checkpoint becomes a measured package.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quern/compress_options.h"
#include "quern/export.h"
#include "quern/observer.h"
#include "quern/quality.h"

namespace quern {

// What became of one tensor.
struct CompressedTensor {
  std::string name;  // in the source
  std::string codec, optimizer;
  std::string role;         // in the model; of one that no architecture recognises, as its name shows
  std::int32_t layer = -1;  // 0-based; -1 outside the layers
  std::uint64_t bytes = 0;
  double relative_error = 0;        // sum of squared errors over the sum of squares
  std::optional<double> kld_alone;  // divergence of the model with this tensor alone in `measured_codec`, nats
  std::string measured_codec;       // empty: not measured
};

// What was measured. Plain data: valid without the model, the folder and the library's other objects.
struct CompressResult {
  bool accepted = true;            // false: the bound was missed
  std::filesystem::path folder;    // the package: `output`, or `output`.rejected; of one file that file
  std::filesystem::path evidence;  // the folder of its card, report and manifest: the package, or FILE.report
  std::string architecture;
  std::uint64_t parameters = 0;
  std::uint64_t source_bytes = 0;  // files as they came: weights, configuration, tokenizer
  std::uint64_t output_bytes = 0;  // files that a runtime needs, everything counted
  double ratio = 0;                // source_bytes / output_bytes
  double bits_per_weight = 0;      // of the output
  std::optional<Quality> quality;  // on the report text; absent without one
  std::optional<Quality> gate;     // on the text that decided; absent without a bound
  std::size_t trials = 0;          // plans that were tried
  std::vector<CompressedTensor> tensors;
  std::vector<std::string> notes;  // what a person should know of the result
  double seconds = 0;
  std::string summary;  // the figures as lines for a terminal
  std::string json;     // report.json of the package
};

// Publishes `output`, or the folder `output`.rejected when the bound could not be met (`accepted` is false then). A run
// that is
// interrupted, or that runs out of memory or disk, or whose observer throws, leaves what it finished in
// `output`.partial; started with kResume it ends with the same bytes. Error(kUsage) for options that do not go
// together and for weights that are quantized already (CompressOptions::requantize), Error(kInput) for inputs that
// cannot be used, Error(kInfeasible) for a result that would be larger than its source (CompressOptions::larger).
QUERN_API CompressResult compress(const CompressOptions& options, Observer* observer = nullptr);

}  // namespace quern
