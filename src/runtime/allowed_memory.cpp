// Memory that a program may take, of what there is.
#include "runtime/allowed_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace quern {
namespace {

// Of the machine, the control group and the process, whichever allows least.
std::uint64_t half_of_memory() {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  std::uint64_t memory = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
  std::uint64_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group) memory = std::min(memory, group);
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY)
    memory = std::min<std::uint64_t>(memory, data.rlim_cur);
  return memory / 2;
}

}  // namespace

std::uint64_t allowed_memory(const MachineOptions& machine) {
  return machine.max_memory ? machine.max_memory : half_of_memory();
}

}  // namespace quern
