// `quern inspect`: what a checkpoint is and what it holds.
#pragma once

#include <filesystem>
#include <functional>
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

// Matrices whose values are -s, 0 and s (find_ternary), of all that a scheme packs.
struct TernaryMatrices {
  std::uint64_t count = 0, of = 0, by_row = 0;  // by_row: of `count`, those with a scale for each row
};

struct Inspection {
  std::string path, format;
  std::uint64_t file_bytes = 0;
  std::vector<SourceFile> files;
  std::vector<std::string> notes;  // of the opener
  std::map<std::string, TensorSums> by_encoding, by_role;
  std::optional<ModelSpec> spec;
  std::string why_unknown;            // what describe_model said
  std::optional<ModelSpec> inferred;  // without a spec: by the tensors alone, or the outline of their mere list
  std::vector<ExtentDifference> differences;
  DuplicateTensors duplicates;
  std::optional<MemoryEstimate> memory;
  std::optional<UnusedRows> unused_rows;   // absent: none, or without a tokenizer or a spec
  std::optional<TernaryMatrices> ternary;  // absent: there are none
  std::vector<Technique> techniques;       // empty: nothing that could be compressed, which the other commands refuse
  std::shared_ptr<const Checkpoint> checkpoint;
  TensorSums total;

  const std::vector<TensorEntry>& tensors() const { return checkpoint->tensors(); }

  // The description, or what could be made out without one; null: nothing.
  const ModelSpec* model() const { return spec ? &*spec : inferred ? &*inferred : nullptr; }
  bool is_list() const { return model() && model()->architecture == kUnknownArchitecture; }
  // Calls use() with specs that have the model's weights and evidence: itself, or its outline and the pieces of a list.
  // REQUIRES: a model.
  void for_each_piece(const std::function<void(const ModelSpec& piece)>& use) const;
};

Inspection inspect_checkpoint(const std::filesystem::path& path, const InspectOptions& options = {});
// A document, piece by piece: a table of tensors may be as long as the memory is large.
using TakeText = std::function<void(std::string_view)>;
void write_json(const Inspection& inspection, int indent, const TakeText& take);
// For a terminal.
std::string describe(const Inspection& inspection);
// The same of every tensor, a line each.
void describe_tensors(const Inspection& inspection, const TakeText& take);

}  // namespace quern
