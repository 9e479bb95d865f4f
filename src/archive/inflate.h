// Deflated bytes (RFC 1951) within a file, read from any position.
#pragma once

#include <memory>

#include "checkpoint/checkpoint.h"

namespace quern {

// The most that deflated bytes can give: 258 bytes from two bits of length and distance.
inline constexpr std::uint64_t kMostInflation = 1032;

// `stored` bytes at `offset`, which give `bytes`; reading finds out if they give another number (Error(kInput)).
// States of the stream are kept at up to 256 positions (45 KB each), from which reading goes on.
std::shared_ptr<const PartDecoder> make_inflater(std::uint64_t offset, std::uint64_t stored, std::uint64_t bytes);

}  // namespace quern
