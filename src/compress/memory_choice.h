// What the memory that is allowed decides of the bytes that are written, where it is hardly enough.
#pragma once

#include <cstdint>
#include <string>

#include "compress/compress_texts.h"

namespace quern {

// Whether the Hessian of every group is to be collected: there is a text, something that uses them, and memory for it
// where nobody asked for them by name.
bool wants_hessians(const Opened& opened, const CompressTexts& texts);
// Why error feedback is not tried where it would be by default; empty: it is, or nobody would.
std::string feedback_note(const Opened& opened, const CompressTexts& texts);

// All that hangs on the memory: a run may only be continued where it is the same.
Json memory_choices(const Opened& opened, const CompressTexts& texts);

}  // namespace quern
