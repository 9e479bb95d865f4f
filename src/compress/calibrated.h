// The third phase: what is known of the inputs of every matrix.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "compress/compress_texts.h"
#include "compress/memory_choice.h"
#include "compress/workspace.h"
#include "optim/inputs.h"

namespace quern {

// Immutable once made, and safe to use from several threads.
class Calibrated {
 public:
  // Of the calibration text, or the statistics that were given: both go through a file in the work's folder, so that a
  // run from that file gives the same bytes. Hessians, where something uses them, go into a store beside it, which goes
  // on with what is there. Nothing where there is neither text nor file. Error(kInput) where a plan was given that was
  // made with others. REQUIRES: the arguments outlive this.
  Calibrated(const Opened& opened, const CompressTexts& texts, const WorkFiles& work);
  Calibrated(const Calibrated&) = delete;
  Calibrated& operator=(const Calibrated&) = delete;

  const Statistics& statistics() const noexcept { return statistics_; }
  bool has_hessians() const noexcept { return hessians_.has_value(); }
  const Inputs& inputs() const noexcept { return *inputs_; }
  // Name all of it in plans.
  const StatisticsHashes& hashes() const noexcept { return hashes_; }
  bool is_empty() const noexcept { return hashes_.moments.empty(); }

 private:
  Statistics statistics_;
  std::optional<HessianStore> hessians_;
  std::optional<Inputs> inputs_;  // of both
  StatisticsHashes hashes_;
};

// The file of the statistics in the folder of the work.
std::filesystem::path statistics_file(const WorkFiles& work);

// Keeps them all as the new folder `folder`, for CompressOptions::statistics.
void copy_statistics(const Opened& opened, const WorkFiles& work, const std::filesystem::path& folder);

// How many matrices a given importance matrix knows nothing of, for people; empty: it knows all, or none was given.
std::string missing_moments_note(const Opened& opened, const Statistics& statistics);

// missing_moments_note, why error feedback was not tried, where it would have been by default, and a line for each
// expert that saw too few tokens for statistics of its own.
std::vector<std::string> calibration_notes(const Opened& opened, const CompressTexts& texts,
                                           const Calibrated& calibrated);

}  // namespace quern
