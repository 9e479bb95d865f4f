// What the processor can do.
#pragma once

#include <string>

namespace quern {

// "x86-64-v3", with "+avx512", "+avx512_bf16", "+amx" appended where the processor has them; "armv8" on Arm.
std::string instruction_set();

// Whether matrix products of bfloat16 are native (AVX-512 BF16 or AMX).
bool has_bf16_products();

// Dot products of bytes on 512-bit vectors (AVX-512 F, BW, DQ, VL and VNNI), and on 256-bit ones (AVX-VNNI).
bool has_avx512_vnni();
bool has_avx_vnni();

}  // namespace quern
