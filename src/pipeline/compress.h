// The main job, right through: a checkpoint becomes a measured package.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "pipeline/job.h"
#include "pipeline/report.h"
#include "plan/size_goal.h"

namespace quern {

struct Preparation;

struct CompressOptions {
  std::filesystem::path input, output;
  std::string scheme = "simple";
  std::string format;                      // empty: the scheme's
  std::filesystem::path precision_map;     // rules for single tensors; empty: the scheme decides everything
  std::filesystem::path plan;              // followed as it is, in place of `scheme` and `format`; empty: none
  std::filesystem::path calibration_text;  // empty: no statistics, plain round-to-nearest
  std::filesystem::path statistics;        // an importance matrix to use in place of calibration
  std::filesystem::path gate_text;         // empty: every fifth document of the calibration text
  std::filesystem::path report_text;       // empty: quality is not reported
  std::size_t calibration_windows = 200, gate_windows = 40, report_windows = 0;  // at most; 0: all
  QualityBound bound;
  std::optional<SizeGoal> size;              // number formats are chosen for it, matrix by matrix
  std::optional<std::size_t> survey_passes;  // measurements that they are chosen from, at most; absent: by the model
  unsigned max_trials = 8;
  MachineOptions machine;
  OutputFolder::Existing existing = OutputFolder::Existing::kRefuse;
  // kResume: goes on from what an equal run left in `output`.partial when it was interrupted, if it left anything.
  enum class Start { kAnew, kResume } start = Start::kAnew;
  std::string command = "library call";  // as the user typed it, for the record
};

// Publishes `output`, or `output`.rejected when the bound could not be met (Report::accepted is false then). A run that
// is interrupted, or that runs out of memory or disk, leaves what it finished in `output`.partial; resumed, it ends
// with the same bytes. Error(kInput) or Error(kUsage) when what is to be resumed was begun with another input or others
// of those options that decide the bytes.
Report compress(const CompressOptions& options, Observer& observer);

// The same from a model that was opened before, for whoever looked at it first. REQUIRES: options.output is given.
Report compress(Preparation& preparation);

}  // namespace quern
