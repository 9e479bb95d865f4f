// Number formats that no file in the world has.
#pragma once

#include "codec/codec.h"

namespace quern {

// Rows of sizes that their codes decide: 8-bit codes, a scale of 32 weights, and up to 60 bytes of nothing.
extern const Codec kRagged;
// Codes of 4 bits that are chosen 24 at a time: their sum is even. Of a block of all columns; one scale.
extern const Codec kEven24;
// 8-bit codes under one scale of the whole tensor, which it is trained to.
extern const Codec kTensor8;
// Codes of 4 bits under an exponent of three rows' weights in one column, and one scale of the whole tensor.
extern const Codec kStripe3;

}  // namespace quern
