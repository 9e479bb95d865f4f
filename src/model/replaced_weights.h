// Another source's weights but for some: for measuring what a few of them cost.
#pragma once

#include <map>
#include <string>

#include "model/weights.h"

namespace quern {

class ReplacedWeights : public WeightsOverlay {
 public:
  // REQUIRES: the base outlives this.
  explicit ReplacedWeights(const Weights& base) : WeightsOverlay(base) {}

  // From now on the weight of this name (Weight::tensor) is read from `packed`, its logical matrix. Not safe beside
  // readers.
  void replace(const std::string& name, PackedTensor packed);
  bool replaces(const std::string& name) const { return replaced_.contains(name); }

  std::string identity() const override;
  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  StoredForm stored(const Weight& weight) const override;
  std::vector<PackedRun> packed_runs(const Weight& weight) const override;
  std::vector<PackedTensor> read_packed(const Weight& weight) const override;

 protected:
  bool changes(const Weight& weight) const override { return find(weight) != nullptr; }

 private:
  const PackedTensor* find(const Weight& weight) const;

  std::map<std::string, PackedTensor> replaced_;
};

}  // namespace quern
