// What does not change while one model is compressed: what its plan is made from, the output and its journal.
#pragma once

#include <optional>
#include <vector>

#include "base/file.h"
#include "compress/compress_journal.h"
#include "compress/preparation.h"
#include "report/tensor_facts.h"

namespace quern {

struct Compression {
  Preparation& prep;
  const CompressOptions& options;
  Observer& observer;
  OutputFolder out;
  CompressJournal journal;
  std::vector<TensorFacts> facts;  // of each step
  std::optional<SizeChoice> size;

  // Takes the output folder and reads the inputs. What an interrupted run left in the folder stays as it is when this
  // throws and the options say to resume.
  explicit Compression(Preparation& preparation);

  // Hashes what is left of the model's files, and records it. Errors: CompressJournal::expect_source; Error(kInput)
  // where a file has changed since the run, or the one that it continues, was begun.
  void know_source();
};

}  // namespace quern
