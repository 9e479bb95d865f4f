// `quern eval`: a model or package on a text, alone or against the original.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "measure/divergence.h"
#include "quern/observer.h"
#include "quern/machine_options.h"
#include "runtime/open_model.h"

namespace quern {

struct EvalOptions {
  std::filesystem::path model, against, text;    // against empty: perplexity alone
  std::size_t windows = 0, window_length = 512;  // at most; 0: all
  MachineOptions machine;
};

struct EvalResult {
  Quality quality;  // without an original, its figures are the model's own and the divergence is 0
  std::uint64_t bytes = 0, against_bytes = 0;
  Precision precision = Precision::kF32;
  std::vector<std::string> notes;  // what a reader of the figures should know
};

// Tokenises with the model's own tokenizer. Error(kInput) when the two vocabularies are not the same pieces.
EvalResult eval_files(const EvalOptions& options, Observer& observer);
// The same of models that are open, whatever the options name. `original`: null for perplexity alone.
EvalResult eval_models(const EvalOptions& options, const OpenModel& model, const OpenModel* original,
                       Observer& observer);

}  // namespace quern
