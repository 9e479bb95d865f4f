// Ends the program with a sentence, not with an illegal instruction, on processors below x86-64-v3.
#include <unistd.h>

#include <cstring>

#if defined(__x86_64__)
namespace {

// Before every other initialiser of the program: 101 is the first priority that is not the compiler's own.
__attribute__((constructor(101))) void require_avx2() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return;
  constexpr const char* kText =
      "quern needs a processor with AVX2, FMA and BMI2 (x86-64-v3; Intel Haswell, AMD Zen or newer)\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, std::strlen(kText));
  ::_exit(8);
}

}  // namespace
#endif
