// Weights of a model as float, decoded from wherever they are stored, a row range at a time.
#pragma once

#include <map>
#include <string>

#include "codec/packed_tensor.h"
#include "quern/checkpoint.h"
#include "quern/tensor.h"

namespace quern {

class WeightSource {
 public:
  // REQUIRES: the checkpoint outlives the source.
  explicit WeightSource(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  const Checkpoint& checkpoint() const noexcept { return *checkpoint_; }
  // From now on `tensor` is read from `packed` and not from the checkpoint (for measuring one tensor alone).
  void replace(const std::string& tensor, PackedTensor packed);
  void restore(const std::string& tensor);

  RowLayout layout(const std::string& tensor) const;
  // Decodes rows first .. first + out.rows - 1. Error(kInput) when the stored encoding has no codec; the message names
  // the tensor. NaN and infinity pass through. Safe from several threads.
  void read_rows(const std::string& tensor, std::size_t first, MutableMatrixView out) const;
  Matrix read(const std::string& tensor) const;

 private:
  const Checkpoint* checkpoint_;
  std::map<std::string, PackedTensor> replaced_;
};

}  // namespace quern
