// Deflated bytes (RFC 1951) within a file, read from any position.
#pragma once

#include <memory>

#include "checkpoint/checkpoint.h"

namespace quern {

// The most that deflated bytes can give: 258 bytes from two bits of length and distance.
inline constexpr std::uint64_t kMostInflation = 1032;

// Where reading can go on: states of the streams of one archive, the last 256 that were kept (45 KB each).
class InflateStates;
std::shared_ptr<InflateStates> make_inflate_states();

// A run of deflated bytes.
struct Deflated {
  std::uint64_t offset = 0, stored = 0;  // where it lies, and how long it is there
  std::uint64_t bytes = 0;               // that it gives
  std::uint32_t checksum = 0;            // CRC-32 of these; 0: not known
};

// Reading finds out if the bytes are others than is said, at the latest at their end (Error(kInput)).
std::shared_ptr<const PartDecoder> make_inflater(const Deflated& run, std::shared_ptr<InflateStates> states);

}  // namespace quern
