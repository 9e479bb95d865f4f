// What a package says of its model's inputs.
#pragma once

#include <optional>

#include "calib/statistics.h"
#include "optim/inputs.h"
#include "package/verification.h"
#include "runtime/open_model.h"

namespace quern {

class PackageStatistics {
 public:
  // The second moments that lie in the package, where its plan was made with some; a problem where they are not those.
  PackageStatistics(Verification& v, const OpenModel& original);

  // Whether that is all that the plan was made with, but for Hessians.
  bool are_complete() const noexcept { return complete_; }
  // Null: none lie there.
  const Statistics* get() const { return statistics_ ? &*statistics_ : nullptr; }
  const Inputs& inputs() const { return inputs_; }

 private:
  static std::optional<Statistics> read(Verification& v, const OpenModel& original);

  std::optional<Statistics> statistics_;
  bool complete_;
  Inputs inputs_;
};

}  // namespace quern
