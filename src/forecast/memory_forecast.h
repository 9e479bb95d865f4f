// How much memory a compression will take: arithmetic over the shapes of the model and of its texts.
#pragma once

#include <cstdint>

#include "compress/compress_texts.h"

namespace quern {

// Bytes of memory of its own that the run is expected to take at most; never more than it keeps to.
std::uint64_t expected_memory(const Opened& opened, const CompressTexts& texts);

}  // namespace quern
