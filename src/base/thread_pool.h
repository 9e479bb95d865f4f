// The only owner of threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace quern {

class ThreadPool {
 public:
  // `threads` = 0: as many as the process may run on. The caller's thread counts as one of them. Where the system
  // refuses more threads the pool makes do with fewer; results do not depend on their number.
  explicit ThreadPool(unsigned threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const noexcept;

  // Runs task(0) .. task(count - 1), each once, in any order, and returns when all are done. When tasks throw, the
  // exception of the lowest index is rethrown, so that the message does not depend on timing.
  // REQUIRES: not called from inside a task, nor by two threads at a time.
  void run(std::size_t count, const std::function<void(std::size_t)>& task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Splits [0, count) into fixed pieces of at most `grain` and runs body(begin, end) for each. The pieces depend only
// on count and grain, so that results summed a piece at a time are the same for any number of threads.
void parallel_for(ThreadPool& pool, std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t, std::size_t)>& body);

// The same, but each thread goes through a share of its own, a `grain` at a time and in order, and then helps with
// the shares of others: for work whose speed hangs on reading memory from end to end.
void parallel_shares(ThreadPool& pool, std::size_t count, std::size_t grain,
                     const std::function<void(std::size_t begin, std::size_t end)>& body);

}  // namespace quern
