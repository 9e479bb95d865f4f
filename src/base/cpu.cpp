// Processor features as the compiler's run-time support and cpuid report them.
#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace quern {

#if defined(__x86_64__)
namespace {

// Leaf 7, EDX bit 22; g++ 12 does not know the name "amx-bf16".
bool has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1u) != 0;
}

}  // namespace

std::string instruction_set() {
  std::string name = "x86-64-v3";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) name += "+avx512";
  if (__builtin_cpu_supports("avx512bf16")) name += "+avx512_bf16";
  if (has_amx_bf16()) name += "+amx";
  return name;
}

bool has_bf16_products() { return __builtin_cpu_supports("avx512bf16") || has_amx_bf16(); }

bool has_avx512_vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_avx_vnni() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avxvnni"); }
#else
std::string instruction_set() { return "armv8"; }
bool has_bf16_products() { return false; }
bool has_avx512_vnni() { return false; }
bool has_avx_vnni() { return false; }
#endif

}  // namespace quern
