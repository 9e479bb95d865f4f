// The names that tensors of a family have, in any layer and for any expert.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "model/spec_builder.h"

namespace quern {

class FamilyNames {
 public:
  FamilyNames(const std::vector<TensorRow>& rows, const Roots& roots);
  bool contains(std::string_view tensor) const;

 private:
  void add(std::string name);

  std::unordered_set<std::string> names_;  // with a "*" in place of each number between dots
};

}  // namespace quern
