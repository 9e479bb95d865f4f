// Tensors as they lie in files, taken byte for byte and never as numbers: those that an earlier trial or an interrupted
// run wrote, and those of the source that are no weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "encode/weight_rows.h"

namespace quern {

class TensorFiles {
 public:
  // REQUIRES: the files stay as they are, and the checkpoint outlives this.
  explicit TensorFiles(const Checkpoint& files) : files_(std::shared_ptr<const Checkpoint>(), &files) {}
  // Opens what is there. Errors: open_checkpoint.
  explicit TensorFiles(const std::filesystem::path& path);

  // What a copy is written as (encoding_of_copy). Error(kInput) when there is none of that name.
  TensorSpec spec(const std::string& tensor) const;
  // Its bytes become those of tensor `index` of the writer.
  void copy(const std::string& tensor, std::size_t index, CheckpointWriter& writer) const;
  // The hash as of joined_hash. Empty when there is no such tensor, or its planes are not those of the codec and the
  // layout, or do not hold rows of it: as where an interrupted run had yet to write them.
  std::string hash(const std::string& tensor, const Codec& codec, RowLayout layout, const std::vector<RowTask>& tasks,
                   ThreadPool& pool) const;

 private:
  std::shared_ptr<const Checkpoint> files_;
};

}  // namespace quern
