// How a codec lays out its codes, for kernels that multiply without decoding to memory.
#pragma once

#include <cstdint>

#include "codec/codec.h"

namespace quern {

// In memory order: the bytes are those that the codec's file describes.
enum class CodeLayout : std::uint8_t {
  kOther,          // known to the codec alone
  kF32,            // one number a weight
  kF16,            // the same
  kBf16,           // the same
  kBytes,          // unsigned bytes with zero at 128; one bfloat16 scale of the row in plane 1
  kScaledBytes,    // blocks of 32: binary16 scale, 32 signed bytes
  kScaledNibbles,  // blocks of 32: binary16 scale, 16 bytes: byte k holds code k low and code k + 16 high, zero at 8
  kAffine4,        // blocks of 256, as in q4_k.cpp
  kAffine5,        // blocks of 256, as in q5_k.cpp
  kSymmetric6,     // blocks of 256, as in q6_k.cpp
  kPairs,          // indices of pairs of weights, as in hyper.cpp
  kVectors,        // codes of vectors of one column, as in vptq.cpp
  kSeeds8,         // seeds of 8 weights, as in seedlm.cpp
  kSeeds12,        // seeds of 12 weights, the same
  kTernary2,       // blocks of 256, as in tq2_0.cpp
  kTernary1,       // blocks of 256, as in tq1_0.cpp
};
inline constexpr std::size_t kCodeLayouts = 16;

CodeLayout code_layout(const Codec& codec);

}  // namespace quern
