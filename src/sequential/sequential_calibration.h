// Calibration in the order in which a model runs: each matrix by the inputs that it has behind what is compressed in
// front of it, its weights moved beforehand to those that give best the original's outputs from them.
#pragma once

#include <filesystem>
#include <string>

#include "calib/hessian_store.h"
#include "encode/encode.h"
#include "runtime/walk_context.h"
#include "sequential/moved_weights.h"

namespace quern {

// What decides which matrices can be calibrated so.
struct SequenceLimits {
  const ModelSpec& spec;
  const Weights& source;
  const ExportMap& names;
  std::size_t window_length = 0;
  std::uint64_t memory = UINT64_MAX;  // bytes for what is heard of a group of inputs, and for its factors
};

// The plan with PlanStep::Calibration::kSequential for those steps whose codes are chosen by a Hessian, and the
// matrices of which can be moved. Not: experts of a mixture, the embedding, rows that are inputs, what the source has
// in the same bytes or was trained to three values, and formats whose bytes only encoding tells, since a size counts on
// those.
Plan in_sequence(Plan plan, const SequenceLimits& of);
// Names all that a calibration in sequence depends on in a plan.
std::string sequence_hash(const Plan& plan);
// Whether a step of it is so.
bool has_sequence(const Plan& plan);

// What a sequence is calibrated by.
struct SequentialFrom {
  const WalkContext original;
  const Windows& windows;
  const Plan& plan;      // has_sequence
  EncodeInput encoding;  // of the original: for what the plan does not encode in sequence
  std::uint64_t hidden_limit = UINT64_MAX, memory_limit = UINT64_MAX;
  std::string model;  // names the original's weights
};

// What was found: immutable once made, and safe to use from several threads.
class SequentialCalibration {
 public:
  // Walks the original and the model as the plan writes it side by side, block after block, and group of inputs after
  // group within a block. Hessians and moved weights go into `folder`, what is finished into `records`: an interrupted
  // sequence goes on behind the last finished group. One step of the observer a block. The same bytes for any number of
  // threads. Error(kInput) where what is in the folder is of something else, or was changed. REQUIRES: what
  // `from` refers to outlives this.
  SequentialCalibration(const SequentialFrom& from, const std::filesystem::path& folder, Journal& records);
  SequentialCalibration(const SequentialCalibration&) = delete;
  SequentialCalibration& operator=(const SequentialCalibration&) = delete;

  // For steps in sequence.
  SequentialSource source() const { return {moved_, *inputs_}; }
  // Names all of it.
  std::string hash() const { return store_->hash(); }
  std::vector<std::string> notes() const { return inputs_->notes(); }

 private:
  MovedWeights moved_;
  std::optional<HessianStore> store_;
  Statistics statistics_;
  std::optional<Inputs> inputs_;
};

}  // namespace quern
