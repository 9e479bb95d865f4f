// Published methods one after another, measured after each: what becomes of ratios that were multiplied.
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

struct ChainOptions {
  std::filesystem::path input;   // as of CompressOptions
  std::filesystem::path output;  // the folder to write: every stage's package and the pages
  std::string name;              // of the model; empty: the input's
  std::vector<std::string> stages = {"bitnet", "seedlm", "vptq", "hyper"};  // of these four, in any order
  std::filesystem::path report_text;                                        // that the stages are measured on; needed
  std::filesystem::path calibration_text;  // that formats of the same bytes are chosen by; empty: none are
  std::filesystem::path gate_text;         // empty: every fifth document of the calibration text
  std::size_t calibration_windows = 200, gate_windows = 40, report_windows = 0;  // at most; 0: all
  MachineOptions machine;
  ExistingOutput existing = ExistingOutput::kRefuse;
  CompressOptions::Start start = CompressOptions::Start::kAnew;
  CompressOptions::Requantize requantize = CompressOptions::Requantize::kRefuse;  // of an input that is quantized
  std::string command = "library call";  // as the user typed it, for the record
};

// Bytes that a runtime needs, everything counted, and how far what they decode to is from the model.
struct ChainedFiles {
  std::uint64_t bytes = 0;
  Quality quality;
};

struct ChainedStage {
  std::string name, method, scheme;
  double claimed = 1;     // the ratio that was claimed of this stage alone
  ChainedFiles literal;   // it compressed what the stage before it decodes to: its file alone is kept
  ChainedFiles residual;  // it compressed what all stages before it left of the model: all files are kept, and added up
  // Formats chosen by what they lose, for as many bytes; absent: no text to choose by, or no format is so small.
  std::optional<ChainedFiles> once_literal, once_residual;
};

// Plain data: valid without the model, the folder and the library's other objects.
struct ChainResult {
  std::filesystem::path folder;  // `output`
  std::uint64_t parameters = 0, source_bytes = 0;
  std::vector<ChainedStage> stages;
  std::string conclusion;  // what the figures say, in a sentence
  std::vector<std::string> notes;
  double seconds = 0;
  std::string json;  // chain.json of the folder
};

// Writes `output` as quern compress --recipe does (docs/tasks/chain.md); nothing else applies one lossy method to the
// output of another. A run that is interrupted leaves what it finished in `output`.partial. Error(kUsage) for a stage
// of another name, none, or no `report_text`; else as of compress().
QUERN_API ChainResult chain(const ChainOptions& options, Observer* observer = nullptr);

}  // namespace quern
