// OpenMP's number of threads is a setting of each thread of the program.
#include "kernel/one_thread.h"

// Declared here rather than by <omp.h>, which clang looks for in its own OpenMP and not in the one that oneDNN uses.
extern "C" void omp_set_num_threads(int);
extern "C" int omp_get_max_threads();

namespace quern {
namespace {

thread_local bool is_one = false;

}  // namespace

void use_one_openmp_thread() noexcept {
  if (is_one) return;
  omp_set_num_threads(1);
  is_one = true;
}

KeepOpenmpThreads::KeepOpenmpThreads() noexcept : threads_(omp_get_max_threads()) {}

KeepOpenmpThreads::~KeepOpenmpThreads() {
  omp_set_num_threads(threads_);
  is_one = false;
}

}  // namespace quern
