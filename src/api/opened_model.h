// What is behind the handle.
#pragma once

#include "quern/model.h"
#include "runtime/open_model.h"

namespace quern {

const OpenModel& opened(const Model& model);

}  // namespace quern
