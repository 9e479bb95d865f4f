// What the steps of a plan may become, at what cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/codec.h"

namespace quern {

struct StepOption {
  const Codec* codec = nullptr;
  std::uint64_t bytes = 0;
  double kld = 0;  // predicted share of the model's KL divergence, nats
};

// What one step of a plan may become.
struct StepOptions {
  std::size_t step = 0;
  std::vector<StepOption> options;  // at least one
  const Codec* probe = nullptr;     // what it was measured with, alone; null: not measured
  double probe_kld = 0;             // measured, nats
};

}  // namespace quern
