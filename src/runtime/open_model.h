// What every program starts with: a checkpoint, opened and described.
#pragma once

#include <filesystem>
#include <string>

#include "quern/checkpoint.h"
#include "quern/model_spec.h"
#include "runtime/block_walk.h"
#include "runtime/weight_source.h"

namespace quern {

// What a model that no architecture recognises is.
enum class Unrecognised { kRefuse, kList };  // kList: weights without blocks, as describe_or_list has them

struct OpenModel {
  Checkpoint checkpoint;
  ModelSpec spec;
  WeightSource weights;

  // Error(kInput) when it cannot be read or no architecture recognises it.
  explicit OpenModel(const std::filesystem::path& path, Unrecognised unrecognised = Unrecognised::kRefuse);
  OpenModel(const OpenModel&) = delete;
  OpenModel& operator=(const OpenModel&) = delete;

  WalkContext walk(ThreadPool& pool, Precision precision) const { return {spec, weights, pool, precision}; }
  bool can_run() const { return !spec.blocks.empty(); }
  std::uint64_t parameters() const;  // distinct weights
  std::uint64_t file_bytes() const;  // weights, configuration, tokenizer
  std::string name() const;          // of the folder, or of the file without extension
};

}  // namespace quern
