// The four published methods that some number formats are taken from.
#pragma once

#include <span>

#include "codec/codec.h"

namespace quern {

struct Method {
  const char* name;                         // as its publication calls it
  std::span<const char* const> beginnings;  // of the names of its number formats
};

std::span<const Method> methods();
// Null: the number format is of none of them.
const Method* method_of(const Codec& codec);

}  // namespace quern
