// Memory that a program may take, of what there is.
#include "runtime/allowed_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace quern {
namespace {

struct Memory {
  std::uint64_t bytes;
  std::string_view half;  // how a person calls half of it
};

// Of the machine, the control group and the process, whichever allows least.
Memory least_memory() {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  Memory least{pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE)), "half of this machine's memory"};
  std::uint64_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group && group < least.bytes)
    least = {group, "half of what this container may use"};
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY && data.rlim_cur < least.bytes)
    least = {data.rlim_cur, "half of what ulimit -d allows"};
  return least;
}

}  // namespace

std::uint64_t allowed_memory(const MachineOptions& machine) {
  return machine.max_memory ? machine.max_memory : least_memory().bytes / 2;
}

std::string_view reason_of_memory(const MachineOptions& machine) {
  return machine.max_memory ? std::string_view() : least_memory().half;
}

}  // namespace quern
