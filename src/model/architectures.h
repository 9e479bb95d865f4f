// The descriptors that architectures.cpp lists. To add a family: one file that defines its descriptor, one line here,
// one row there.
#pragma once

#include "model/model_spec.h"

namespace quern {

extern const Architecture kLlama, kQwen3, kMixtral, kGpt2, kMamba, kIteraLite;

}  // namespace quern
