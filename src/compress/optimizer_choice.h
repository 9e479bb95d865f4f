// How the codes of a model's matrices are chosen, where that is to be measured.
#pragma once

#include <string>

#include "compress/sizing.h"
#include "optim/optimizer.h"

namespace quern {

struct OptimizerChoice {
  const Optimizer* optimizer = nullptr;  // null: what the scheme does by itself
  std::string note;                      // what was measured; empty: nothing had to be
};

// The one that was named, or, where the options ask for what measures better: error feedback or weighted rounding, that
// whose files by the scheme diverge less on windows of the gate text (without such a text: error feedback). The journal
// keeps what was measured. REQUIRES: the statistics are in use.
OptimizerChoice choose_optimizer(const Sizing& sizing);

}  // namespace quern
