// `quern inspect`: what a checkpoint is and what it holds.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/duplicate_tensors.h"
#include "apps/techniques.h"
#include "checkpoint/checkpoint.h"
#include "model/model_spec.h"
#include "quern/inspect.h"
#include "runtime/memory_estimate.h"

namespace quern {

struct TensorSums {
  std::uint64_t tensors = 0, elements = 0, bytes = 0;
};

// An extent of which the configuration says one thing and the tensors show another.
struct ExtentDifference {
  std::string extent;
  std::uint64_t claimed = 0, shown = 0;
  std::string claimed_by, shown_by;  // evidence of both
};

// Rows of an embedding for ids that the tokenizer has no text for.
struct UnusedRows {
  std::uint64_t rows = 0, of = 0;
  std::uint64_t parameters = 0, of_parameters = 0;  // of these rows, and of all weights
};

struct Inspection {
  std::string path, format;
  std::uint64_t file_bytes = 0;
  std::vector<SourceFile> files;
  std::vector<std::string> notes;  // of the opener
  std::map<std::string, TensorSums> by_encoding, by_role;
  std::optional<ModelSpec> spec;
  std::string why_unknown;            // what describe_model said
  std::optional<ModelSpec> inferred;  // without a spec: by the tensors alone, or their mere list
  std::vector<ExtentDifference> differences;
  std::vector<std::string> unmatched;  // tensors that the architecture, or without a spec every one, has no place for
  DuplicateTensors duplicates;
  std::optional<MemoryEstimate> memory;
  std::optional<UnusedRows> unused_rows;  // absent: none, or without a tokenizer or a spec
  std::vector<Technique> techniques;      // empty: nothing that could be compressed, which the other commands refuse
  std::shared_ptr<const Checkpoint> checkpoint;
  TensorSums total;

  const std::vector<TensorEntry>& tensors() const { return checkpoint->tensors(); }

  // The description, or what could be made out without one; null: nothing.
  const ModelSpec* model() const { return spec ? &*spec : inferred ? &*inferred : nullptr; }
};

Inspection inspect_checkpoint(const std::filesystem::path& path, const InspectOptions& options = {});
Json to_json(const Inspection& inspection);
// For a terminal. kTensors lists every tensor.
enum class InspectDetail { kSummary, kTensors };
std::string describe(const Inspection& inspection, InspectDetail detail);

}  // namespace quern
