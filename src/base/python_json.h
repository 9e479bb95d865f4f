// JSON as Python's json module reads and writes it: NaN, Infinity and -Infinity are numbers.
#pragma once

#include "base/json.h"

namespace quern {

// As parse_json; the three names stand for numbers wherever a value may.
Json parse_python_json(std::string_view text);

// As dump_json; a number that is not finite is written by its name.
std::string dump_python_json(const Json& value, int indent = -1);

}  // namespace quern
