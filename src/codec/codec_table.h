// The descriptors that codecs.cpp lists. To add a number format: one file that defines its descriptor, one line here,
// one row there.
#pragma once

#include <vector>

#include "codec/codec.h"

namespace quern {

extern const Codec kF32, kF16, kBf16;                          // float_codecs.cpp
extern const Codec kLosslessF32, kLosslessF16, kLosslessBf16;  // lossless.cpp
extern const Codec kInt8Channel;
extern const std::span<const Codec> kInt4;             // int4_g32 ... int4a_g128
extern const Codec kNf4, kNf4Dq;                       // nf4.cpp
extern const Codec kSeedlm4, kSeedlm3, kSeedlm4Paper;  // seedlm.cpp
extern const Codec kSeedlm4w, kSeedlm3w;               // seedlm_weighted.cpp
extern const Codec kQ8_0;
extern const Codec kQ6K;
extern const Codec kQ5K, kQ4K;    // q5_k_q4_k.cpp
extern const Codec kQ5_1, kQ4_1;  // q5_1_q4_1.cpp
extern const Codec kQ5_0, kQ4_0;  // q5_0_q4_0.cpp
extern const Codec kQ3K;
extern const Codec kQ2K;
extern const Codec kIq4Nl;
extern const Codec kIq4Xs;
extern const Codec kMxfp4;
extern const Codec kNvfp4;
extern const Codec kIq3S, kIq3Xxs;          // iq3.cpp
extern const Codec kIq2S, kIq2Xs, kIq2Xxs;  // iq2.cpp
extern const Codec kIq1M, kIq1S;            // iq1.cpp
extern const Codec kTq2_0;
extern const Codec kTq1_0;
extern const Codec kTernary2Bit, kTernaryB3;  // ternary_tensor.cpp
extern const Codec kI2S, kI2SRows;            // ternary_i2_s.cpp
extern const std::span<const Codec> kHyper;   // hyper_1600 ... hyper_225_l01_rans
extern const std::span<const Codec> kVptq;    // vptq_v6_k4096_r4096 ... vptq_v8_k256

// Only read: no fit, round and pack.
extern const Codec kF64;          // float_codecs.cpp
extern const Codec kQ2_0, kQ1_0;  // q1_0_q2_0.cpp

// Those above that are written, and what codecs() has: they, unless the program says otherwise (codec_list.cpp). In any
// order.
std::vector<const Codec*> built_in_codecs();
std::vector<const Codec*> list_codecs();

}  // namespace quern
