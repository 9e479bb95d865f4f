// What a compression is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quern/existing_output.h"
#include "quern/machine_options.h"

namespace quern {

// What a person allows. Absent: not bounded.
struct QualityBound {
  std::optional<double> max_perplexity_increase;  // relative: 0.03 is 3%
  std::optional<double> max_kld;                  // mean, nats

  bool is_set() const { return max_perplexity_increase || max_kld; }
};

// How large the written model may be, as a person says it.
struct SizeGoal {
  enum class Unit {
    kBytes,          // of the model's files
    kBitsPerWeight,  // those bytes over the model's weights
    kRatio,          // bytes of the source's files over them, at least
  };
  Unit unit = Unit::kBytes;
  double value = 0;  // > 0
};

// In place of the name of an optimizer: of those that what is known of the inputs allows, the one whose files diverge
// less on the gate text; without one, that which makes the most of what is known.
inline constexpr const char* kMeasuredOptimizer = "auto";

struct CompressOptions {
  std::filesystem::path input;    // a Hugging Face folder, a .safetensors or a .gguf file
  std::filesystem::path adapter;  // a LoRA folder of PEFT, merged into the input's weights; empty: none
  std::vector<std::string> drop;  // patterns of tensors that are left out, as of ModelSource
  // The folder to write, or one file: a name that ends in .gguf, unless a folder has it. What was measured of a file
  // lies in the folder FILE.report beside it.
  std::filesystem::path output;
  std::string name;                            // of the model, in names of files, card and metadata; empty: the input's
  std::string scheme = "simple";               // mix of number formats; `quern schemes` lists them
  std::string format;                          // empty: the scheme's
  std::filesystem::path precision_map;         // rules for single tensors; empty: the scheme decides everything
  std::string optimizer = kMeasuredOptimizer;  // of matrices whose inputs are known
  // Whether it is tried, beside statistics of the original's inputs, to take each matrix's inputs behind what is
  // compressed in front of it, with its weights moved to suit them; kept where it measures better on the gate text.
  // Takes a text to calibrate with, and about five times as long as calibrating.
  enum class Sequence { kNone, kMeasure } sequence = Sequence::kNone;
  std::filesystem::path plan;              // followed as it is, in place of `scheme` and `format`; empty: none
  std::filesystem::path calibration_text;  // empty: no statistics, plain round-to-nearest
  std::filesystem::path statistics;        // in place of calibration: an importance matrix, or a folder of statistics
  std::filesystem::path gate_text;         // empty: every fifth document of the calibration text
  std::filesystem::path report_text;       // empty: quality is not reported
  std::size_t calibration_windows = 200, gate_windows = 40, report_windows = 0;  // at most; 0: all
  QualityBound bound;
  std::optional<SizeGoal> size;              // number formats are chosen for it, matrix by matrix
  std::optional<std::size_t> survey_passes;  // measurements that they are chosen from, at most; absent: by the model
  // Among which number formats a size, or a bound, is searched for.
  enum class Mode {
    kAuto,      // those that programs load from the container beside each other; a bound alone starts from the scheme
    kAdvanced,  // all that anything loads from the container: of a folder Quern's own too, which quern alone loads
  } mode = Mode::kAuto;
  unsigned max_trials = 8;
  MachineOptions machine;
  ExistingOutput existing = ExistingOutput::kRefuse;
  // Quantizing what was quantized already. Decoding it to floats of 16 bits or more needs no permission.
  enum class Requantize { kRefuse, kAllow } requantize = Requantize::kRefuse;
  // A result that is larger than its source, where no size was asked for.
  enum class Larger { kRefuse, kAllow } larger = Larger::kRefuse;
  // A format of three values in a matrix that was not trained to have only three: it ruins a model.
  enum class Damage { kRefuse, kAllow } damage = Damage::kRefuse;
  // kResume: goes on from what an equal run left in `output`.partial when it was interrupted, if it left anything.
  enum class Start { kAnew, kResume } start = Start::kAnew;
  std::string command = "library call";  // as the user typed it, for the record
};

}  // namespace quern
