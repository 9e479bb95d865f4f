// A ModelSpec as a document.
#pragma once

#include "base/json.h"
#include "model/model_spec.h"

namespace quern {

// For people and for reports.
Json to_json(const ModelSpec& spec);

}  // namespace quern
