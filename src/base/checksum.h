// A checksum against accidents (torn writes, bytes that never reached the disk), several times as fast as SHA-256.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace quern {

// 64 bits of all of `bytes` and their number. Not against intent: other bytes of the same sum are easily made.
std::uint64_t checksum_of(ByteSpan bytes);

}  // namespace quern
