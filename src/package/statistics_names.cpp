// Importance matrices are exchanged under the names of GGUF.
#include "package/statistics_names.h"

#include "quern/error.h"

namespace quern {

ExportMap statistics_names(const OpenModel& source) {
  if (source.can_run()) try {
      return map_to_gguf(source.spec, source.checkpoint);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInfeasible) throw;
    }
  ExportMap names;
  for (std::size_t i = 0; i < source.spec.weights.size(); ++i)
    names.weights.push_back({.weight = i, .name = source.spec.weights[i].gguf});
  return names;
}

}  // namespace quern
