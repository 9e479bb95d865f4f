// What the processor can do, and how much of it is used.
#pragma once

#include <string>
#include <string_view>

namespace quern {

// Rising: each has what those before it have. What they are called in QUERN_MAX_ISA: avx2, avx512, avx512_bf16, amx.
enum class IsaLevel {
  kAvx2,        // x86-64-v3, below which nothing runs
  kAvx512,      // F, BW, DQ, VL
  kAvx512Bf16,  // BF16 and VNNI; VNNI on 256-bit vectors too
  kAmx,         // everything that there is
};

// Error(kUsage) for a name that is none; the empty one is that of kAmx.
IsaLevel isa_level(std::string_view name);

// The most that is used, whatever the processor has: what the environment variable QUERN_MAX_ISA says at the first
// call. From any thread. Error(kUsage) where it names no level (from each of the functions below as well), and on Arm
// where it is set.
IsaLevel highest_isa();

// Of what is used: "x86-64-v3", with "+avx_vnni", "+avx512", "+avx512_vnni", "+avx512_bf16", "+amx" appended where the
// processor has them; "armv8" on Arm.
std::string instruction_set();

// Whether matrix products of bfloat16 are native (AVX-512 BF16 or AMX).
bool has_bf16_products();

// AVX-512 F, BW, DQ and VL.
bool has_avx512();

// Dot products of bytes on 512-bit vectors (the above and VNNI), and on 256-bit ones (AVX-VNNI).
bool has_avx512_vnni();
bool has_avx_vnni();

}  // namespace quern
