// oneDNN runs on OpenMP; Quern's threads are those of its pool.
#pragma once

namespace quern {

// From now on OpenMP regions entered from the calling thread run on it alone. To be called before a oneDNN primitive is
// made (some fix their number of threads then) and before it runs. Costs nothing after the first call of a thread.
void use_one_openmp_thread() noexcept;

// For calls on a thread of somebody else's: when it goes, the thread has as many OpenMP threads as before.
class KeepOpenmpThreads {
 public:
  KeepOpenmpThreads() noexcept;
  KeepOpenmpThreads(const KeepOpenmpThreads&) = delete;
  KeepOpenmpThreads& operator=(const KeepOpenmpThreads&) = delete;
  ~KeepOpenmpThreads();

 private:
  int threads_;
};

}  // namespace quern
