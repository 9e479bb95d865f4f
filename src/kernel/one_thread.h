// oneDNN runs on OpenMP; Quern's threads are those of its pool.
#pragma once

namespace quern {

// From now on OpenMP regions entered from the calling thread run on it alone. To be called before a oneDNN primitive is
// made (some fix their number of threads then) and before it runs. Costs nothing after the first call of a thread.
void use_one_openmp_thread() noexcept;

}  // namespace quern
