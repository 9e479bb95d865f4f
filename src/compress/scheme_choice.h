// Which scheme a model really gets.
#pragma once

#include <string>

#include "plan/scheme.h"
#include "runtime/open_model.h"

namespace quern {

struct SchemeChoice {
  const Scheme* scheme = nullptr;
  std::string note;  // why it is another than the one asked for; empty: it is not
};

// The scheme of this name, or its substitute where the scheme's own container cannot hold the source, or could not pack
// some of its matrices; those stay in 16 bits where the substitute's container cannot hold the model either. `format`:
// the container asked for, which then decides alone; empty: none.
SchemeChoice choose_scheme(const std::string& name, const std::string& format, const OpenModel& source);

}  // namespace quern
