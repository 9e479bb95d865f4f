// Processor features as the compiler's run-time support reports them.
#include "base/cpu.h"

namespace quern {

#if defined(__x86_64__)
std::string instruction_set() {
  std::string name = "x86-64-v3";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) name += "+avx512";
  if (has_bf16_products()) name += "+avx512_bf16";
  return name;
}

bool has_bf16_products() { return __builtin_cpu_supports("avx512bf16"); }
#else
std::string instruction_set() { return "armv8"; }
bool has_bf16_products() { return false; }
#endif

}  // namespace quern
