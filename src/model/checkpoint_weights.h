// Weights as a checkpoint stores them: in one tensor, in several, or transposed.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"
#include "model/weights.h"

namespace quern {

class CheckpointWeights : public Weights {
 public:
  // REQUIRES: the checkpoint outlives this.
  explicit CheckpointWeights(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  std::string name() const override;  // with the names of the files of weights
  std::string identity() const override { return {}; }
  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  using Weights::read;
  StoredForm stored(const Weight& weight) const override;
  void read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  std::vector<PackedRun> packed_runs(const Weight& weight) const override;
  std::vector<PackedTensor> read_packed(const Weight& weight) const override;

  // A tensor of the checkpoint as it is stored, weight or not.
  RowLayout layout(const std::string& tensor) const;
  void read_rows(const std::string& tensor, std::size_t first, MutableMatrixView out) const;
  Matrix read(const std::string& tensor) const;

 private:
  const Checkpoint* checkpoint_;
};

}  // namespace quern
