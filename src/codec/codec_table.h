// The descriptors that codecs.cpp lists. To add a number format: one file that defines its descriptor, one line here,
// one row there.
#pragma once

#include "quern/codec.h"

namespace quern {

extern const Codec kF32, kF16, kBf16;  // float_codecs.cpp
extern const Codec kInt8Channel;
extern const Codec kInt4G32, kInt4G64, kInt4G128, kInt4aG32, kInt4aG64, kInt4aG128;  // int4.cpp
extern const Codec kNf4, kNf4Dq;  // nf4.cpp
extern const Codec kQ8_0;
extern const Codec kQ6K;
extern const Codec kQ5K;
extern const Codec kQ4K;

}  // namespace quern
