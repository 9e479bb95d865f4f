// Packages of one model taken together: what they add up to, and what the model has beyond that.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/open_model.h"

namespace quern {

// An overlay over the weights of `model`, which a package of the same model holds in the same order.
class SummedWeights : public Weights {
 public:
  enum class Form {
    kSum,        // of the packages: nothing of the model itself
    kRemainder,  // the model less that sum
  };
  // Error(kInput) where a package has other weights than the model. REQUIRES: all outlive this.
  SummedWeights(const OpenModel& model, std::vector<const OpenModel*> packages, Form form);

  std::string name() const override { return model_.weights.name(); }
  std::string identity() const override;
  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  StoredForm stored(const Weight& weight) const override { return model_.weights.stored(weight); }

 private:
  const OpenModel& model_;
  std::vector<const OpenModel*> packages_;
  Form form_;
  std::map<std::string, std::size_t> places_;  // in ModelSpec::weights, by Weight::tensor
};

}  // namespace quern
