// A model measured on a text, alone or against the original.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quern/export.h"
#include "quern/machine_options.h"
#include "quern/model.h"
#include "quern/observer.h"
#include "quern/quality.h"

namespace quern {

struct EvaluateOptions {
  std::filesystem::path text;       // that neither calibration nor a bound saw
  std::size_t windows = 0;          // at most; 0: all
  std::size_t window_length = 512;  // tokens, from 8 on
  MachineOptions machine;
};

struct EvaluateResult {
  Quality quality;  // without an original, its figures are the model's own and the divergence is 0
  std::uint64_t bytes = 0, original_bytes = 0;
  std::string original_quantized;  // how the weights of the original were quantized already; empty: they were not
  Precision precision = Precision::kF32;  // that was used
  std::vector<std::string> notes;         // what a reader of the figures should know
  std::string json;                       // all of it
};

// Tokenises with the model's own tokenizer. Error(kInput) when the two vocabularies are not the same pieces.
QUERN_API EvaluateResult evaluate(const Model& model, const EvaluateOptions& options, Observer* observer = nullptr);
QUERN_API EvaluateResult evaluate(const Model& model, const Model& original, const EvaluateOptions& options,
                                  Observer* observer = nullptr);

}  // namespace quern
