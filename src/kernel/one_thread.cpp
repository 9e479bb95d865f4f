// OpenMP's number of threads is a setting of each thread of the program.
#include "kernel/one_thread.h"

// Declared here rather than by <omp.h>, which clang looks for in its own OpenMP and not in the one that oneDNN uses.
extern "C" void omp_set_num_threads(int);

namespace quern {

void use_one_openmp_thread() noexcept {
  thread_local bool done = false;
  if (done) return;
  omp_set_num_threads(1);
  done = true;
}

}  // namespace quern
