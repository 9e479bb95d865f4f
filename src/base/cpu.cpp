// Processor features as the compiler's run-time support and cpuid report them, held to a level.
#include "base/cpu.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "base/fail.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace quern {
namespace {

constexpr const char* kVariable = "QUERN_MAX_ISA";
constexpr std::array<std::string_view, 4> kNames = {"avx2", "avx512", "avx512_bf16", "amx"};  // by IsaLevel

IsaLevel level_of_environment() {
  const char* chosen = std::getenv(kVariable);
  if (!chosen || !*chosen) return IsaLevel::kAmx;
#if defined(__x86_64__)
  return isa_level(chosen);
#else
  fail(ErrorCode::kUsage, "{} is \"{}\", but its levels are those of x86-64; unset it here", kVariable, chosen);
#endif
}

}  // namespace

IsaLevel isa_level(std::string_view name) {
  if (name.empty()) return IsaLevel::kAmx;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<IsaLevel>(i);
  fail(ErrorCode::kUsage, "{} is \"{}\"; it is one of {}, or not set", kVariable, name, fmt::join(kNames, ", "));
}

IsaLevel highest_isa() {
  static const IsaLevel level = level_of_environment();
  return level;
}

#if defined(__x86_64__)
namespace {

// Leaf 7, EDX bit 22; g++ 12 does not know the name "amx-bf16".
bool has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return highest_isa() >= IsaLevel::kAmx && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1u) != 0;
}

bool has_avx512_bf16() { return highest_isa() >= IsaLevel::kAvx512Bf16 && __builtin_cpu_supports("avx512bf16"); }

}  // namespace

std::string instruction_set() {
  std::string name = "x86-64-v3";
  if (has_avx_vnni()) name += "+avx_vnni";
  if (has_avx512()) name += "+avx512";
  if (has_avx512_vnni()) name += "+avx512_vnni";
  if (has_avx512_bf16()) name += "+avx512_bf16";
  if (has_amx_bf16()) name += "+amx";
  return name;
}

bool has_bf16_products() { return has_avx512_bf16() || has_amx_bf16(); }

bool has_avx512() {
  return highest_isa() >= IsaLevel::kAvx512 && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx512_vnni() {
  return highest_isa() >= IsaLevel::kAvx512Bf16 && has_avx512() && __builtin_cpu_supports("avx512vnni");
}

bool has_avx_vnni() { return highest_isa() >= IsaLevel::kAvx512Bf16 && __builtin_cpu_supports("avxvnni"); }
#else
std::string instruction_set() {
  highest_isa();
  return "armv8";
}
bool has_bf16_products() { return false; }
bool has_avx512() { return false; }
bool has_avx512_vnni() { return false; }
bool has_avx_vnni() { return false; }
#endif

}  // namespace quern
