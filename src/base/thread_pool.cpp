// Threads that sleep between runs and take indices from one shared counter.
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace quern {
namespace {

unsigned usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake, done;
  std::uint64_t generation = 0;
  unsigned busy = 0;
  bool stop = false;
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t count = 0;
  std::atomic<std::size_t> next{0};
  std::size_t failed_index = std::numeric_limits<std::size_t>::max();
  std::exception_ptr failure;
  std::vector<std::jthread> threads;

  void work() {
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      try {
        (*task)(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed_index) {
          failed_index = i;
          failure = std::current_exception();
        }
      }
    }
  }

  void loop() {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stop || generation != seen; });
      if (stop) return;
      seen = generation;
      lock.unlock();
      work();
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  const unsigned total = threads ? threads : usable_processors();
  try {
    for (unsigned i = 1; i < total; ++i) state_->threads.emplace_back([s = state_.get()] { s->loop(); });
  } catch (const std::system_error&) {
    return;  // a limit on processes; the threads made so far do the work
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  state_->threads.clear();
}

unsigned ThreadPool::threads() const noexcept { return static_cast<unsigned>(state_->threads.size()) + 1; }

void ThreadPool::run(std::size_t count, const std::function<void(std::size_t)>& task) {
  State& s = *state_;
  const bool alone = count <= 1 || s.threads.empty();  // not worth waking anybody
  {
    const std::lock_guard lock(s.mutex);
    s.task = &task;
    s.count = count;
    s.next = 0;
    s.failed_index = std::numeric_limits<std::size_t>::max();
    s.failure = nullptr;
    s.busy = alone ? 0 : static_cast<unsigned>(s.threads.size());
    if (!alone) ++s.generation;
  }
  if (!alone) s.wake.notify_all();
  s.work();
  std::unique_lock lock(s.mutex);
  s.done.wait(lock, [&] { return s.busy == 0; });
  if (s.failure) std::rethrow_exception(std::exchange(s.failure, nullptr));
}

void parallel_for(ThreadPool& pool, std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t, std::size_t)>& body) {
  grain = std::max<std::size_t>(grain, 1);
  pool.run(count / grain + (count % grain ? 1 : 0), [&](std::size_t i) {
    const std::size_t begin = i * grain;
    body(begin, begin + std::min(grain, count - begin));
  });
}

}  // namespace quern
