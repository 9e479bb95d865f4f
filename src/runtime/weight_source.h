// Weights of a model as float, decoded from wherever they are stored, a row range at a time.
#pragma once

#include <map>
#include <string>

#include "codec/packed_tensor.h"
#include "quern/checkpoint.h"
#include "quern/model_spec.h"
#include "quern/tensor.h"

namespace quern {

class WeightSource {
 public:
  // REQUIRES: the checkpoint outlives the source.
  explicit WeightSource(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  const Checkpoint& checkpoint() const noexcept { return *checkpoint_; }
  // From now on the weight of this name (Weight::tensor) is read from `packed`, its logical matrix, and not from the
  // checkpoint (for measuring one weight alone).
  void replace(const std::string& name, PackedTensor packed);
  void restore(const std::string& name);
  // What stands in for it; null: nothing does.
  const PackedTensor* replacement(const std::string& name) const;

  // Decodes rows first .. first + out.rows - 1 of the logical matrix, whatever way it is stored. Error(kInput) when the
  // stored encoding has no codec; the message names the tensor. NaN and infinity pass through. Safe from several
  // threads. A transposed weight is read whole each time: take it by read().
  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const;
  Matrix read(const Weight& weight) const;

  // The same for a tensor of the checkpoint as it is stored.
  RowLayout layout(const std::string& tensor) const;
  void read_rows(const std::string& tensor, std::size_t first, MutableMatrixView out) const;
  Matrix read(const std::string& tensor) const;

 private:
  const Checkpoint* checkpoint_;
  std::map<std::string, PackedTensor> replaced_;
};

}  // namespace quern
