// The text of a JSON value a piece at a time: that of a report on 400,000 tensors is not held as a whole.
#pragma once

#include <functional>
#include <string_view>

namespace quern {

class Json;

// Calls take() with the bytes of dump_json(value, indent), in order. Errors as of dump_json.
void dump_json_pieces(const Json& value, int indent, const std::function<void(std::string_view)>& take);

}  // namespace quern
