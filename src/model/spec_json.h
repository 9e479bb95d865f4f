// A ModelSpec as a document.
#pragma once

#include <functional>

#include "base/json.h"
#include "base/json_pieces.h"
#include "model/model_spec.h"

namespace quern {

// For people and for reports.
Json to_json(const ModelSpec& spec);

// The same, written as it comes. `in_pieces` hands over specs whose evidence and weights together are those of `spec`.
using UseSpec = std::function<void(const ModelSpec&)>;
void write_json(JsonWriter& out, std::string_view key, const ModelSpec& spec,
                const std::function<void(const UseSpec&)>& in_pieces);

}  // namespace quern
