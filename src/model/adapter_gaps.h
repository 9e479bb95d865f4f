// What an adapter's configuration promises and its tensors lack.
#pragma once

#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/model_spec.h"

namespace quern {

// A sentence each, for people: modules that are to be adapted and are not, or not in every layer of the model; modules
// that are to be kept whole and are not there.
std::vector<std::string> adapter_gaps(const Adapter& adapter, const ModelSpec& spec);

}  // namespace quern
