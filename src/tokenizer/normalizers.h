// The normalizer of a tokenizer.json: what happens to a text before it is cut into words.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"

namespace quern {

// REQUIRES: UTF-8, and gives it.
using Normalizer = std::function<std::string(std::string)>;

// Null: none. Error(kInput) that names a type that is not known, or what is wrong with a part.
Normalizer make_normalizer(const Json& part);

}  // namespace quern
