// A plan becomes files: every weight is read, encoded and written a few rows at a time.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "base/file_hashes.h"
#include "base/thread_pool.h"
#include "encode/encoded_tensor.h"
#include "encode/step_records.h"
#include "encode/tensor_files.h"
#include "encode/weight_rows.h"
#include "plan/plan.h"
#include "quern/observer.h"

namespace quern {

// In place of source and inputs, for steps with PlanStep::Calibration::kSequential.
struct SequentialSource {
  const Weights& source;
  const Inputs& inputs;
};

struct EncodeInput {
  const Weights& source;
  const ModelSpec& spec;
  const ExportMap& names;  // of what the plan writes
  const Inputs& inputs;    // of the matrices, as far as they are known
  ThreadPool& pool;
  Observer& observer;
  const TensorFiles* copied = nullptr;  // holds names.copied; null: there are none
  FileHashes* hashes = nullptr;         // taken further beside encoding; gets the files of weights that are written
  const char* stage = "encode";         // of the observer
  // Null: no step of the plan is in sequence. Errors are those from `source` in any case.
  const SequentialSource* sequential = nullptr;
};

// Writes the weights of `plan` as `head` describes them into `folder`. Returns what became of each step, in order.
// One step of the observer a tensor. With `records`, each step is recorded when it is done, and a step on record is not
// encoded again where its bytes have the recorded hash: in `folder` already, as an interrupted run left it, or in
// one of `earlier`, files of earlier trials.
std::vector<EncodedTensor> encode(const EncodeInput& input, const Plan& plan, const CheckpointHead& head,
                                  const std::filesystem::path& folder, StepRecords* records = nullptr,
                                  std::span<const TensorFiles> earlier = {});

// The tensor table of the plan's files: its steps, then the extra tensors of `names` and those that it copies from
// `copied`.
std::vector<TensorSpec> tensor_table(const Plan& plan, const ExportMap& names, const ModelSpec& spec,
                                     const TensorFiles& copied);

// What a person should know of a tensor that lost much of its energy; empty: it did not.
std::string loss_note(const PlanStep& step, const EncodeError& error);

}  // namespace quern
