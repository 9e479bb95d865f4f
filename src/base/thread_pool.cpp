// Threads that take indices from one shared counter. Between runs they spin for a short while and then sleep, so that a
// chain of short runs (the layers of one token) costs no wake-up of the system.
//
// A run is a region that threads join: `region` holds its number, whether it is open, and how many have joined. Whoever
// comes while it is open takes part; the caller closes it when no index is left and waits only for those who joined,
// not for a thread that the system has not woken yet.
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
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

// Longer than the serial work between two products of a layer, short against a time slice of the system.
constexpr std::chrono::microseconds kSpin{100};
constexpr int kPausesAClockReading = 8;

// The word `region`: number << 32 | open << 31 | joined.
constexpr std::uint64_t kOpen = std::uint64_t{1} << 31, kNumber = std::uint64_t{1} << 32;
constexpr std::uint64_t joined(std::uint64_t region) { return region & (kOpen - 1); }

unsigned usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether `holds` became true within kSpin.
template <typename Condition>
bool spin_until(Condition holds) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPausesAClockReading; ++i) {
      if (holds()) return true;
      pause_processor();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

struct ThreadPool::State {
  std::atomic<std::uint64_t> region{0};
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> next{0};
  const std::function<void(std::size_t)>* task = nullptr;  // written while the region is closed and left by all
  std::size_t count = 0;

  std::mutex mutex;  // guards what follows, and changes that sleepers wait for
  std::condition_variable wake, done;
  unsigned sleepers = 0;
  std::size_t failed_index = std::numeric_limits<std::size_t>::max();
  std::exception_ptr failure;

  bool spins = false;  // with fewer processors than threads a spinning thread would hold up a working one
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

  bool has_news(std::uint64_t last_number) const {
    const std::uint64_t now = region.load();
    return stop.load() || ((now & kOpen) && now / kNumber != last_number);
  }

  void await_news(std::uint64_t last_number) {
    if (spins && spin_until([&] { return has_news(last_number); })) return;
    std::unique_lock lock(mutex);
    ++sleepers;
    wake.wait(lock, [&] { return has_news(last_number); });
    --sleepers;
  }

  // Takes part in the open region unless it is closed first. Returns its number.
  std::uint64_t join(std::uint64_t last_number) {
    std::uint64_t seen = region.load();
    do {
      if (!(seen & kOpen)) return last_number;
    } while (!region.compare_exchange_weak(seen, seen + 1));
    work();
    const std::uint64_t before = region.fetch_sub(1);
    if (joined(before) == 1 && !(before & kOpen)) {
      {
        const std::lock_guard lock(mutex);
      }  // the caller is either before its check or asleep
      done.notify_one();
    }
    return seen / kNumber;
  }

  void loop() {
    std::uint64_t last_number = 0;
    for (;;) {
      await_news(last_number);
      if (stop.load()) return;
      last_number = join(last_number);
    }
  }

  void open() {
    region.fetch_add(kNumber + kOpen);
    const std::lock_guard lock(mutex);
    if (sleepers > 0) wake.notify_all();
  }

  // Returns when all who joined have left.
  void close() {
    if (joined(region.fetch_and(~kOpen)) == 0) return;
    const auto left = [&] { return joined(region.load()) == 0; };
    if (spins && spin_until(left)) return;
    std::unique_lock lock(mutex);
    done.wait(lock, left);
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  const unsigned usable = usable_processors(), total = threads ? threads : usable;
  state_->spins = total <= usable;
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
  const bool alone = count <= 1 || s.threads.empty();  // not worth calling anybody
  s.task = &task;
  s.count = count;
  s.next = 0;
  s.failed_index = std::numeric_limits<std::size_t>::max();
  s.failure = nullptr;
  if (!alone) s.open();
  s.work();
  if (!alone) s.close();
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

void parallel_shares(ThreadPool& pool, std::size_t count, std::size_t grain,
                     const std::function<void(std::size_t, std::size_t)>& body) {
  grain = std::clamp<std::size_t>(grain, 1, std::max<std::size_t>(count, 1));
  struct alignas(64) Share {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0;
  };
  std::vector<Share> shares(pool.threads());
  const std::size_t each = (count / shares.size() + grain - 1) / grain * grain;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    shares[i].next = std::min(count, i * each);
    shares[i].end = i + 1 == shares.size() ? count : std::min(count, (i + 1) * each);
  }
  pool.run(shares.size(), [&](std::size_t own) {
    for (std::size_t k = 0; k < shares.size(); ++k) {
      Share& share = shares[(own + k) % shares.size()];
      for (std::size_t begin; (begin = share.next.fetch_add(grain)) < share.end;)
        body(begin, std::min(begin + grain, share.end));
    }
  });
}

}  // namespace quern
