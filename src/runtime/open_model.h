// What every program starts with: a model, opened and described, and where its weights are read from.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "model/model_spec.h"
#include "model/weights.h"
#include "quern/model_source.h"
#include "runtime/block_walk.h"

namespace quern {

// What a model that no architecture recognises is.
enum class Unrecognised { kRefuse, kList };  // kList: weights without blocks, as describe_or_list has them

class OpenModel {
  std::shared_ptr<const Checkpoint> owned_checkpoint_;
  std::unique_ptr<const Weights> owned_weights_;

 public:
  const Checkpoint& checkpoint;  // the files: configuration, tokenizer, names and shapes of tensors
  ModelSpec spec;
  const Weights& weights;            // the numbers
  std::vector<std::string> dropped;  // ModelSource::drop
  std::filesystem::path adapter;     // ModelSource::adapter
  std::string adapter_base;          // that its configuration names

  // The weights are the checkpoint's own. Error(kInput) when it cannot be read or no architecture recognises it.
  explicit OpenModel(const std::filesystem::path& path, Unrecognised unrecognised = Unrecognised::kRefuse);
  // The weights are an overlay over the checkpoint's, or any others that the description fits. REQUIRES: none is null.
  OpenModel(std::shared_ptr<const Checkpoint> files, ModelSpec description, std::unique_ptr<const Weights> source);
  OpenModel(OpenModel&&) = default;  // weights and checkpoint stay where they are; the description moves

  WalkContext walk(ThreadPool& pool, Precision precision) const { return {spec, weights, pool, precision}; }
  bool can_run() const { return !spec.blocks.empty(); }
  std::uint64_t parameters() const;  // distinct weights
  std::uint64_t file_bytes() const;  // weights, configuration, tokenizer
  std::string name() const;          // of the folder, or of the file without extension
};

// The files without what is dropped, and with the adapter merged into their weights (model/adapted_weights.h).
// Error(kUsage) for a pattern that no tensor matches.
OpenModel open_model(const ModelSource& source, Unrecognised unrecognised = Unrecognised::kRefuse);

}  // namespace quern
