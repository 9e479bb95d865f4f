// One thread waits for the signals; all others block them. No handler may run on a thread that computes: oneDNN's f32
// product uses the stack pointer as a data register, and the frame of a handler would be written over its matrices.
#include "cli/interrupts.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <system_error>
#include <thread>

namespace quern::cli {
namespace {

std::atomic<bool> asked{false};

bool is_ignored(int signal) {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

// A closing terminal hangs up more than once (the kernel and the shell each), and nobody is impatient then.
[[noreturn]] void wait_for(sigset_t signals) {
  for (bool told = false;;) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0) continue;
    asked = true;
    if (signal == SIGHUP) continue;
    if (told) ::_exit(128 + signal);
    told = true;
  }
}

}  // namespace

void catch_interrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    if (!is_ignored(signal)) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    std::thread(wait_for, signals).detach();
  } catch (const std::system_error&) {  // no more threads are allowed: the signals end the program as they always do
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  }
}

bool stop_requested() { return asked; }

}  // namespace quern::cli
