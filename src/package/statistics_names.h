// What the weights of a model are called in its file of second moments.
#pragma once

#include "runtime/open_model.h"

namespace quern {

// llama.cpp's names where it knows the model; else those that its description gives.
ExportMap statistics_names(const OpenModel& source);

}  // namespace quern
