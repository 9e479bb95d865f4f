// Plans that are written in order to be measured as wholes, before one of them is decided for.
#pragma once

#include <filesystem>
#include <vector>

#include "compress/calibrated.h"
#include "sequential/sequential_calibration.h"
#include "survey/sensitivity.h"

namespace quern {

// The files of the last two stay until they are dropped, and every tensor is on record: what a plan has in common with
// an earlier one, and all of it if it is the one that is decided for, is taken over and not encoded again.
class Candidates {
 public:
  // `keep`: kFronts where a survey follows. REQUIRES: the texts have a survey, and the arguments outlive this.
  Candidates(const Opened& opened, const CompressTexts& texts, const Calibrated& calibrated, const WorkFiles& work,
             SurveyOriginal::Keep keep);

  // What plans with steps in sequence are encoded from, from now on; null: there are none. REQUIRES: it outlives this.
  void use(const SequentialCalibration* sequence) noexcept { sequence_ = sequence; }

  // The plan with the bytes that its tensors came to.
  Plan carried_out(const Plan& plan);
  // KL divergence of a plan's files on the windows of the survey, nats.
  double measured_whole(const Plan& plan);
  // What the plan loses, and how much less without the errors of each group.
  PlanHarm measured_together(const Plan& plan, const std::vector<StepGroup>& groups);

  // The original on those windows.
  SurveyOriginal& original() noexcept { return original_; }

 private:
  std::vector<EncodedTensor> write(const Plan& plan);  // into the last of folders_

  const Opened& opened_;
  const WorkFiles work_;
  const Calibrated& calibrated_;
  const EncodeInput input_;
  const SequentialCalibration* sequence_ = nullptr;
  SurveyOriginal original_;
  std::vector<std::filesystem::path> folders_;  // those of this run behind the others, the last one at the end
};

// What encoding works with.
EncodeInput encode_input(const Opened& opened, const Calibrated& calibrated);

// What plans are encoded from.
struct EncodeFiles {
  const Opened& opened;
  const Calibrated& calibrated;
  const WorkFiles& work;
  const SequentialCalibration* sequence = nullptr;  // for steps in sequence; null: the plan has none
  FileHashes* running = nullptr;                    // hashes that go on meanwhile; null: none do
  const char* stage = "encode";                     // of the observer
};

// Writes the files of a plan into `folder`, which is made if need be: tensors that are on record come from there, if
// the folder was begun, or from the files in one of `earlier`, as far as they can be opened.
std::vector<EncodedTensor> encode_files(const EncodeFiles& with, const Plan& plan, const std::filesystem::path& folder,
                                        const std::vector<std::filesystem::path>& earlier);

// The folders of candidates, in no particular order.
std::vector<std::filesystem::path> candidate_folders(const WorkFiles& work);

}  // namespace quern
