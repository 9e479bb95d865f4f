// What each scheme would make of a model, by its shapes: how large, and in which container.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/open_model.h"

namespace quern {

struct Technique {
  std::string scheme, summary, format;
  std::uint64_t bytes = 0;  // of all tensors; of a number format whose size hangs on the numbers an estimate
  std::string why_not;      // empty: it applies
};

// One for each scheme, those that apply first, the smallest last. Reads no weights.
std::vector<Technique> techniques(const OpenModel& model);

// A table, and why what does not apply does not; `source_bytes`: of the files.
std::string techniques_table(const std::vector<Technique>& techniques, std::uint64_t source_bytes);
Json to_json(const Technique& technique);

}  // namespace quern
