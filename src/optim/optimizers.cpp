// The table of optimizers. To add one: its file, and a row here.
#include <array>
#include <vector>

#include "base/fail.h"
#include "base/names.h"
#include "optim/optimizer.h"

namespace quern {

extern const Optimizer rtn;
extern const Optimizer weighted_rtn;
extern const Optimizer ldlq;
extern const Optimizer descent;

namespace {
// Of those that need as much the better one comes last.
constexpr std::array<const Optimizer*, 4> kOptimizers{&rtn, &weighted_rtn, &ldlq, &descent};
}  // namespace

std::span<const Optimizer* const> optimizers() { return kOptimizers; }

const Optimizer& find_optimizer(std::string_view name) {
  if (const Optimizer* optimizer = row_named(kOptimizers, name)) return *optimizer;
  fail(ErrorCode::kUsage, "there is no optimizer \"{}\"; did you mean {}?", name,
       nearest_names(name, names_of(kOptimizers)));
}

const Optimizer& best_optimizer(Optimizer::Needs known) {
  const Optimizer* best = kOptimizers.front();
  for (const Optimizer* optimizer : kOptimizers)
    if (optimizer->needs <= known && optimizer->needs >= best->needs) best = optimizer;
  return *best;
}

}  // namespace quern
